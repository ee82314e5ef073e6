// How often the correct one of several is chosen.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "mom/base/json.h"

namespace mom::quality {

struct Accuracy {
  int64_t correct = 0, of = 0;
  double share() const { return of > 0 ? static_cast<double>(correct) / static_cast<double>(of) : 0; }
  // 95%, of a share of independent trials (Wilson 1927, doi 10.1080/01621459.1927.10502953).
  std::pair<double, double> interval() const;
  // Counts a trial: the correct one is scores[0], and has to be above all others.
  void add(const std::vector<double>& scores);
  OrderedJson to_json() const;  // {"accuracy", "interval": [low, high], "correct", "of"}
};

}  // namespace mom::quality
