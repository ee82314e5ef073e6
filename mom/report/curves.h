// The curves of a page as panels of charts, in the form of docs/formats/page.md: a line per run, or per model as the
// mean over its seeds with their range.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/modality/presets.h"

namespace mom::report {

// What one run measured: lists of one length, steps rising; `seconds` may be empty.
struct Points {
  std::vector<double> steps, tokens, flops, seconds, values;
};

// A line of a chart: lists of one length, or empty.
struct Series {
  std::vector<double> steps, tokens, flops, seconds, raw, fit, low, high;
};

// How a line is smoothed: held-out losses as FLOPs to match are read (compare/curve.h); what every step logs by an
// exponential average with a half-life of 2% of the steps.
enum class Smoothing { kEvaluations, kSteps };

// One run per seed; at the steps that all of them have. `low` and `high` with two or more seeds.
Series series_of(const std::vector<Points>& seeds, Smoothing smoothing);
// Keeps that many points, two or more, the first and the last among them.
void thin(Series& series, size_t max_points);

// A number with so many digits; whole numbers have all of theirs.
OrderedJson number_json(double value, int digits);

// "nats per token", "noise MSE", "text + 5 x image".
std::string unit_of(const std::string& modality, const modality::TrainedSum& trained);

// A panel in the making. The x values of a line are those of many charts, the steps those of many lines: each list is
// written once.
class Panel {
 public:
  Panel(const std::string& name, const std::vector<std::string>& labels);
  // The lines of one chart, by index of the labels. A chart without lines is left out.
  void add_chart(OrderedJson chart, const std::vector<std::pair<size_t, Series>>& lines);
  OrderedJson& json() { return json_; }

 private:
  size_t axis_of(const Series& series);
  size_t place_of(OrderedJson value, const char* where);
  OrderedJson json_;
  std::map<std::string, size_t> places_;
};

}  // namespace mom::report
