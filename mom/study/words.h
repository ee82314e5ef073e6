// What results say in words, for the tables in Markdown and the page alike: who won with how many seeds, said
// the same way whoever it was.
#pragma once

#include <string>

#include "mom/study/results_file.h"

namespace mom::study {

inline constexpr const char* kNotMeasured = "not measured";

// "1.2% [0.3%, 2.0%]"; not measured.
std::string percent_cell(const Summary& summary);
// FLOPs to match of all seeds: their mean with its interval, or each when some never get there.
std::string match_cell(const Row& row, const Summary& amount, const char* never);
// "better with 3 of 3 seeds", "undecided, better with 1 of 2 seeds".
std::string outcome(const Row& row);
// "reaches the final loss of dense Mamba with 2 of 3".
std::string reach_text(const ArmResult& arm, const Row& row);

// Whether all values are on one side of 0, as far as the interval says: false with one seed.
bool sign_is_sure(const Summary& summary);

}  // namespace mom::study
