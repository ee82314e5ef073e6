// The numbers behind the charts, as JSON for web/report.js:
//   {"panels": [PANEL, ...], "experts": PANEL}
//   PANEL: {"name", "runs": ["dense Mamba", ...], "off"?: [1], "clock"?, "charts": [CHART, ...]}
//   CHART: {"group", "title", "unit", "series": [SERIES, ...], "targets"?, "even"?, "percent"?}
//
// PANEL   One is shown at a time. `off`: runs that are not drawn until asked for. `clock`: what `seconds` are.
// SERIES  has one `run` (index), and `flops`, `steps`, `tokens`, `raw` (rings) and `fit` (the line) of one length, and
//         where known `seconds`, and `low` and `high`, the range over seeds.
// CHART   Each of `targets` is a baseline's final smoothed loss, with the FLOPs at which others first reach it; `even`
//         is the value of a router that spreads tokens evenly; `percent`: values are fractions of 1.
#pragma once

#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/modality/presets.h"
#include "mom/report/report.h"

namespace mom::report {

OrderedJson chart_data(const Subject& subject);
OrderedJson expert_panel(const Subject& subject);

struct Series {
  std::vector<double> flops, steps, tokens, seconds, raw, fit, low, high;  // of one length, or empty
};
// Keeps that many points, two or more, the first and the last among them.
void thin(Series& series, size_t max_points);
// Without the empty lists; six digits.
OrderedJson series_json(size_t run, const Series& series);

inline constexpr double kHalfLifePart =
    0.02;  // half-life of the training average, as a fraction of all steps

// "nats per token", "noise MSE", "text + 5 x image".
std::string unit_of(const std::string& modality, const modality::TrainedSum& trained);
// A label for each run: the model in words, with the run's name where two would be the same.
std::vector<std::string> run_labels(const std::vector<runs::RunFolder>& runs);

}  // namespace mom::report
