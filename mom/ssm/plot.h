// Curves over equal steps of time as one self-contained SVG: panels with axes, ticks and legends, light and
// dark by the viewer's preference, a title and a description for those who do not see it. No torch here.
#pragma once

#include <string>
#include <vector>

namespace mom::ssm {

struct Curve {
  std::string label;
  std::vector<double> y;  // finite, at t = 0, dt, 2 dt, ...
};

struct Panel {
  std::string title;
  // Of one length, the same in all panels. At most kMaxCurves are drawn, and the plot says so.
  std::vector<Curve> curves;
  bool stairs = false;  // values hold until the next step
};

struct Plot {
  std::string title, subtitle;
  double dt = 1;
  std::vector<Panel> panels;  // two a row
};

constexpr size_t kMaxCurves = 6;

std::string plot_svg(const Plot& plot);

}  // namespace mom::ssm
