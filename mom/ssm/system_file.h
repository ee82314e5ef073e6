// A linear system as a user writes it: TOML with its matrices, the step and what drives it.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "mom/base/files.h"
#include "mom/ssm/linear_system.h"

namespace mom::ssm {

// N states, U inputs, Y outputs, L steps.
struct SystemFile {
  LinearSystem system;  // continuous
  double dt = 0;
  Discretisation discretisation = Discretisation::kZeroOrderHold;
  at::Tensor initial_N, inputs_LU;
  std::string dt_place;  // FILE:LINE
};

// UserError "FILE:LINE: ..." for keys, types and shapes that do not fit; InputError for a file that cannot be
// read, also that of [input]. Refuses what would write more than 20 million numbers.
SystemFile read_system_file(const Path& path);

}  // namespace mom::ssm
