// What makes two runs not comparable: differences beside the architecture.
#pragma once

#include <string>
#include <vector>

#include "mom/runs/run_folder.h"

namespace mom::compare {

// UserError when the settings differ: their losses have different units. All else is a warning.
std::vector<std::string> comparability_warnings(const runs::RunFolder& dense, const runs::RunFolder& mix);

// FLOPs of a training step of `mix` over those of `dense`; 1 where a run logged no step.
double step_flops_ratio(const runs::RunFolder& dense, const runs::RunFolder& mix);

// Recipe keys with different values, in order of name.
std::vector<std::string> differing_keys(const std::vector<const runs::RunFolder*>& runs);

}  // namespace mom::compare
