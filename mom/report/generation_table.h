// What was measured of what runs generate, as lines of a table.
#pragma once

#include "mom/report/cells.h"

namespace mom::report {

// A line for each figure: its name, then each run that has any; none where nothing was measured.
Cells generation_lines(const Subject& subject);

// "captions shown in training", ...
std::string bucket_words(const std::string& bucket);

}  // namespace mom::report
