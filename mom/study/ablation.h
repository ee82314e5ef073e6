// The table of subsets of decoupled projections, and whether they do more together than each alone.
#pragma once

#include <string>

#include "mom/base/json.h"

namespace mom::study {

// Markdown; empty when no group has all single projections and their union.
std::string ablation_text(const OrderedJson& results);

// Whether an arm has some projections decoupled and not all.
bool is_partial(const std::string& arm_name);

// "1.2% [0.3%, 2.0%]", "not measured".
std::string percent_cell(const OrderedJson& summary);

}  // namespace mom::study
