// What `mom compare` prints for a terminal.
#pragma once

#include <string>

#include "mom/compare/compare.h"

namespace mom::compare {

// Aligned columns with a line per row, then a verdict per row, what a step costs, and warnings.
std::string table_text(const Comparison& comparison);

}  // namespace mom::compare
