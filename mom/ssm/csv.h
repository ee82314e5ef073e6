// Numbers as comma-separated text: a header line of names, then one row per step.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::ssm {

// values_LX f64 [L, columns]. Each number is the shortest text that reads back as the same bits.
void publish_csv(const Path& path, const std::vector<std::string>& head, const at::Tensor& values_LX);

// f64 [rows, columns]: the first `max_rows` rows of the columns named `names`; without names the file must
// have exactly `num_columns`, and needs no head. Blank lines are skipped. InputError "FILE:LINE: ...".
struct CsvRequest {
  std::vector<std::string> names;
  int64_t num_columns = 0, max_rows = 0;
};
struct CsvColumns {
  at::Tensor values_LX;
  bool has_more_rows = false;
};
CsvColumns read_csv(const Path& path, const CsvRequest& request);

std::string shortest(double value);  // without ".0"

}  // namespace mom::ssm
