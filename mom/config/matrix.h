// Matrices in TOML: a list of rows, each a list of numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/json.h"

namespace mom::config {

// A list of numbers, [1, 2], or a number, 3, is short for a matrix of one row or one column: `flat` then, and
// held as one column. Whoever reads it knows which of both is meant.
struct Matrix {
  std::vector<double> values;  // row by row
  int64_t num_rows = 0, num_columns = 0;
  bool flat = false;
  bool operator==(const Matrix&) const = default;
};

// Neither empty nor ragged; finiteness is not checked. UserError "WHERE: expected ..., found ...".
Matrix matrix_from_json(const Json& value, const std::string& where);
std::string toml_matrix(const Matrix& matrix);
void to_json(Json& json, const Matrix& matrix);  // reads back as the same; found by the JSON library

}  // namespace mom::config
