// metrics.jsonl -> points. Steps must rise strictly within the train lines and within each held-out set, and
// training FLOPs with them: a line written twice is a damaged log, not something to average over.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "mom/runs/run_folder.h"

namespace mom::runs {

struct Metrics {
  std::vector<MetricPoint> train;
  std::map<std::string, std::vector<MetricPoint>> evals;
  bool torn_last_line = false;  // the file ends inside a line: the writer was stopped; that line is left out
};

Metrics read_metrics(const Path& path);

}  // namespace mom::runs
