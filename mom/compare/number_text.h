// Numbers formatted for people: in tables, pages and sentences alike.
#pragma once

#include <string>

#include "mom/compare/statistics.h"

namespace mom::compare {

std::string fixed(double value, int decimals);
std::string loss_text(double loss);         // "0.1495", "4.560"
std::string percent_text(double fraction);  // 0.0742 -> "7.4%"
// "1.2% [0.3%, 2.0%]"; "not measured" without a mean.
std::string percent_text(const Summary& summary);

}  // namespace mom::compare
