// What drives a linear system in `mom ssm simulate`: the [input] table of its TOML.
// U inputs, L steps.
#pragma once

#include <ATen/core/Tensor.h>

#include "mom/config/fwd.h"
#include "mom/config/matrix.h"

namespace mom::ssm {

struct InputConfig {
  std::string kind = "step";
  double amplitude = 1, frequency = 1, end_frequency = 10;
  int64_t channel = 0, seed = 1;
  config::Matrix values;
  std::string file;
  std::vector<std::string> columns;
  void describe(config::Table& table);
};

struct InputRequest {
  int64_t num_inputs = 0, num_steps = 0;
  double dt = 0;
  Path folder;        // of the TOML file: input.file is found from there
  std::string where;  // names that file in errors
};
// f64 [L, U]. Keys that the kind does not use are warned about, and so are rows too few (zeros follow) or too
// many. UserError for the table, InputError for the CSV file.
at::Tensor make_inputs(const InputConfig& config, const config::Table& table, const InputRequest& request);

}  // namespace mom::ssm
