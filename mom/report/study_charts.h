// The curves of a study: one line per model (mean over seeds) with the range over seeds; see charts.h for the JSON.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "mom/report/charts.h"
#include "mom/report/study_report.h"

namespace mom::report {

struct CurveChart {
  std::string set, modality, unit;               // `set` empty: training
  std::vector<std::pair<size_t, Series>> lines;  // by index of the panel's lines
  OrderedJson targets = OrderedJson::array();
};

// The curves of a group's models, or of one model at several learning rates.
struct CurvePanel {
  std::string name;
  std::vector<std::string> lines;
  std::vector<size_t> off;  // lines that are not drawn until asked for
  bool of_processor = false;
  std::vector<CurveChart> charts;
};

std::vector<CurvePanel> curve_panels(const StudySubject& subject);
OrderedJson study_chart_data(const StudySubject& subject);

}  // namespace mom::report
