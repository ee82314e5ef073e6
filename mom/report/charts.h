// The numbers behind the charts, as JSON for web/report.js:
//   {"runs": ["dense Mamba", ...], "charts": [{"group", "title", "unit", "series": [...], "targets"?,
//   "even"?, "percent"?}]}
// A series has one `run` (index), and `flops`, `steps`, `tokens`, `raw` and `fit` of one length. Each of
// `targets` is a baseline's final smoothed loss, with the FLOPs at which others first reach it; `even` is the
// value of a router that spreads tokens evenly; `percent`: values are parts of one.
#pragma once

#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/report/report.h"

namespace mom::report {

OrderedJson chart_data(const Subject& subject);
// A label for each run: the model in words, with the run's name where two would be the same.
std::vector<std::string> run_labels(const std::vector<runs::RunFolder>& runs);

}  // namespace mom::report
