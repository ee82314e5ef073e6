#include "mom/config/matrix.h"

#include "mom/base/error.h"
#include "mom/config/toml_text.h"

namespace mom::config {
namespace {

constexpr const char* kExpected = "a matrix: rows of numbers, e.g. [[1, 2], [3, 4]]";

[[noreturn]] void fail(const std::string& where, const std::string& found) {
  throw UserError({where, kExpected, found, ""});
}

double number(const Json& value, const std::string& where) {
  if (!value.is_number()) {
    fail(where, value.is_array() ? "a list where a number belongs"
                                 : value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return value.get<double>();
}

void append_row(Matrix& matrix, const Json& row, const std::string& where) {
  const std::string name = "row " + std::to_string(matrix.num_rows + 1);
  if (!row.is_array()) fail(where, name + " without brackets");
  if (row.empty()) fail(where, name + " without numbers");
  const auto columns = static_cast<int64_t>(row.size());
  if (matrix.num_rows == 0) matrix.num_columns = columns;
  if (columns != matrix.num_columns) {
    fail(where, name + " of length " + std::to_string(columns) + " below rows of length " +
                    std::to_string(matrix.num_columns));
  }
  for (const Json& item : row) matrix.values.push_back(number(item, where));
  ++matrix.num_rows;
}

}  // namespace

Matrix matrix_from_json(const Json& value, const std::string& where) {
  Matrix matrix;
  if (value.is_number()) return {{value.get<double>()}, 1, 1, true};
  if (!value.is_array()) fail(where, value.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (value.empty()) fail(where, "an empty list");
  if (value[0].is_array()) {
    for (const Json& row : value) append_row(matrix, row, where);
    return matrix;
  }
  for (const Json& item : value) matrix.values.push_back(number(item, where));
  matrix.num_rows = static_cast<int64_t>(matrix.values.size());
  matrix.num_columns = 1;
  matrix.flat = true;
  return matrix;
}

std::string toml_matrix(const Matrix& matrix) {
  std::string text;
  for (int64_t row = 0; row < matrix.num_rows; ++row) {
    std::string line;
    for (int64_t column = 0; column < matrix.num_columns; ++column) {
      line += (column ? ", " : "") +
              toml_number(matrix.values[static_cast<size_t>(row * matrix.num_columns + column)]);
    }
    text += (row ? ", " : "") + (matrix.flat ? line : "[" + line + "]");
  }
  return "[" + text + "]";
}

void to_json(Json& json, const Matrix& matrix) {
  json = Json::array();
  if (matrix.flat) {
    for (const double value : matrix.values) json.push_back(value);
    return;
  }
  for (auto value = matrix.values.begin(); value != matrix.values.end(); value += matrix.num_columns)
    json.push_back(std::vector<double>(value, value + matrix.num_columns));
}

}  // namespace mom::config
