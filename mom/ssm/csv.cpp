#include "mom/ssm/csv.h"

#include <torch/types.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "mom/base/error.h"
#include "mom/base/nearest.h"

namespace mom::ssm {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\"");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\"") - first + 1);
}

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(',', begin), line.size());
    cells.push_back(trimmed(line.substr(begin, end - begin)));
    begin = end + 1;
  }
  return cells;
}

std::optional<double> number_of(std::string_view cell) {
  double value = 0;
  const auto read = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (read.ec != std::errc() || read.ptr != cell.data() + cell.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

// Names, not a first row with a slip in it.
bool is_head(const std::vector<std::string_view>& cells) {
  return std::none_of(cells.begin(), cells.end(), [](std::string_view cell) {
    return cell.empty() || cell.find_first_of("+-.0123456789") == 0;
  });
}

class Reader {
 public:
  Reader(const Path& path, const CsvRequest& request) : path_(path), request_(request) {}

  void read(std::string_view line, uint64_t line_number) {
    if (trimmed(line).empty()) return;
    where_ = path_.string() + ":" + std::to_string(line_number);
    const std::vector<std::string_view> cells = cells_of(line);
    if (width_ == 0) {
      width_ = cells.size();
      find_columns(cells);
      if (is_head(cells)) return;
    }
    if (num_rows_ == request_.max_rows) {
      has_more_rows_ = true;
      return;
    }
    if (cells.size() != width_) fail(std::to_string(width_) + " columns", std::to_string(cells.size()), "");
    for (const size_t column : columns_) values_.push_back(required_number(cells[column], column));
    ++num_rows_;
  }

  CsvColumns result() const {
    if (num_rows_ == 0) throw InputError({path_.string(), "rows of numbers", "none", ""});
    const int64_t width = static_cast<int64_t>(columns_.size());
    return {torch::tensor(values_, at::kDouble).view({num_rows_, width}), has_more_rows_};
  }

 private:
  [[noreturn]] void fail(const std::string& expected, const std::string& found, const std::string& next) {
    throw InputError({where_, expected, found, next});
  }

  double required_number(std::string_view cell, size_t column) {
    const auto value = number_of(cell);
    if (!value)
      fail("a finite number in column " + std::to_string(column + 1), "\"" + std::string(cell) + "\"", "");
    return *value;
  }

  void find_columns(const std::vector<std::string_view>& head) {
    for (const std::string& name : request_.names) {
      const auto found = std::find(head.begin(), head.end(), name);
      if (found == head.end()) {
        const std::string near = nearest(name, {head.begin(), head.end()});
        fail("a head line with the column \"" + name + "\"", "none",
             near.empty() ? "" : "did you mean \"" + near + "\"?");
      }
      columns_.push_back(static_cast<size_t>(found - head.begin()));
    }
    if (!request_.names.empty()) return;
    if (static_cast<int64_t>(width_) != request_.num_columns) {
      fail(std::to_string(request_.num_columns) + " columns, one an input", std::to_string(width_),
           "name those to use: input.columns = [...]");
    }
    for (size_t column = 0; column < width_; ++column) columns_.push_back(column);
  }

  const Path& path_;
  const CsvRequest& request_;
  std::string where_;
  size_t width_ = 0;
  int64_t num_rows_ = 0;
  bool has_more_rows_ = false;
  std::vector<size_t> columns_;
  std::vector<double> values_;
};

}  // namespace

std::string shortest(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

void publish_csv(const Path& path, const std::vector<std::string>& head, const at::Tensor& values_LX) {
  const at::Tensor values = values_LX.contiguous();
  const double* value = values.const_data_ptr<double>();
  publish_with(path, [&](const Path& aside) {
    FileWriter writer(aside);
    std::string line;
    for (const std::string& name : head) line += (line.empty() ? "" : ",") + name;
    writer.write(line + "\n");
    for (int64_t row = 0; row < values.size(0); ++row) {
      line.clear();
      for (int64_t column = 0; column < values.size(1); ++column)
        line += (column ? "," : "") + shortest(*value++);
      writer.write(line + "\n");
    }
    writer.close();
  });
}

CsvColumns read_csv(const Path& path, const CsvRequest& request) {
  Reader reader(path, request);
  for_each_line(path, [&](std::string_view line, uint64_t line_number) { reader.read(line, line_number); });
  return reader.result();
}

}  // namespace mom::ssm
