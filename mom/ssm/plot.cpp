#include "mom/ssm/plot.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "mom/base/markup.h"
#include "mom/ssm/plot_axis.h"

namespace mom::ssm {
namespace {

// Pixels.
constexpr double kWidth = 960, kMargin = 20, kGap = 28, kHead = 84, kPanelHeight = 292;
constexpr double kPanelWidth = (kWidth - 2 * kMargin - kGap) / 2;
constexpr double kLegendRow = 18, kExponentRow = 14, kTickRoom = 52, kBottomRoom = 38;
constexpr size_t kMaxPoints = 1600;  // of a curve, more than a panel has pixels for
constexpr size_t kMaxStairs = 400;   // steps that are wider than a pixel
constexpr size_t kMaxDots = 40;      // steps that are shown one by one

// Plain colours rather than variables, which not every viewer of SVG knows. Curves differ in dashes, too.
constexpr const char* kStyle = R"(
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; fill: #1a1c1e; }
.title { font-size: 19px; font-weight: 600; } .head { font-size: 14px; font-weight: 600; }
.quiet { fill: #5b6268; } .tick { font-size: 12px; fill: #5b6268; }
.paper { fill: #fdfdfb; } .grid { stroke: #e4e6e7; } .zero { stroke: #8a9196; } .frame { stroke: #b9bec1; fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .dots { fill: none; stroke-width: 6; stroke-linecap: round; }
.c0 { stroke: #0072b2; } .c1 { stroke: #d55e00; } .c2 { stroke: #007d5c; }
.c3 { stroke: #b0508a; } .c4 { stroke: #8a6d00; } .c5 { stroke: #4a4a4a; }
.d1 { stroke-dasharray: 8 3; } .d2 { stroke-dasharray: 3 3; } .d3 { stroke-dasharray: 9 3 2 3; }
.d4 { stroke-dasharray: 14 4; } .d5 { stroke-dasharray: 2 5; }
@media (prefers-color-scheme: dark) {
  text { fill: #e8e9e6; } .quiet, .tick { fill: #a3aab0; }
  .paper { fill: #141618; } .grid { stroke: #2a2e31; } .zero { stroke: #7d858b; } .frame { stroke: #4a5156; }
  .c0 { stroke: #56b4e9; } .c1 { stroke: #f0a030; } .c2 { stroke: #3fc79a; }
  .c3 { stroke: #e094c0; } .c4 { stroke: #e6d850; } .c5 { stroke: #c4c4c4; }
}
)";

struct Box {
  double left, top, right, bottom;
};

std::string px(double value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 1).ptr};
}

std::string text_at(double x, double y, const std::string& attributes, const std::string& text) {
  return "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" " + attributes + ">" + escape(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const std::string& classes) {
  return "<path class=\"" + classes + "\" d=\"M" + px(x1) + " " + px(y1) + "L" + px(x2) + " " + px(y2) +
         "\"/>\n";
}

// Steps to draw: all, or of each group its lowest and highest, in order, so that no peak is lost.
std::vector<size_t> steps_to_draw(const std::vector<double>& y) {
  std::vector<size_t> steps;
  const size_t groups = y.size() <= kMaxPoints ? y.size() : kMaxPoints / 2;
  for (size_t group = 0; group < groups; ++group) {
    const auto begin = y.begin() + static_cast<std::ptrdiff_t>(group * y.size() / groups);
    const auto end = y.begin() + static_cast<std::ptrdiff_t>((group + 1) * y.size() / groups);
    const auto [low, high] = std::minmax_element(begin, end);
    steps.push_back(static_cast<size_t>(std::min(low, high) - y.begin()));
    if (*low != *high) steps.push_back(static_cast<size_t>(std::max(low, high) - y.begin()));
  }
  if (steps.back() + 1 < y.size()) steps.push_back(y.size() - 1);
  return steps;
}

class PanelDrawing {
 public:
  PanelDrawing(const Panel& panel, const Axis& time, double dt, double left, double top)
      : panel_(panel), time_(time), dt_(dt), count_(std::min(panel.curves.size(), kMaxCurves)) {
    out_ = "<g>\n" + text_at(left, top + 12, "class=\"head\"", panel.title);
    const double below = draw_legend(left, top + 32);
    double low = 0, high = 0;  // 0 is always seen
    for (size_t i = 0; i < count_; ++i) {
      const auto [least, most] = std::minmax_element(panel.curves[i].y.begin(), panel.curves[i].y.end());
      low = std::min(low, *least);
      high = std::max(high, *most);
    }
    const double pad = 0.05 * (high - low);
    value_ = make_axis(low - (low < 0 ? pad : 0), high + (high > 0 ? pad : 0));
    box_ = {left + kTickRoom, below + (value_.exponent == 0 ? 0 : kExponentRow), left + kPanelWidth,
            top + kPanelHeight - kBottomRoom};
  }

  std::string draw() {
    draw_axes();
    for (size_t i = 0; i < count_; ++i) draw_curve(i);
    return out_ + "</g>\n";
  }

 private:
  double x(double t) const { return box_.left + time_.part(t) * (box_.right - box_.left); }
  double y(double value) const {
    return box_.bottom - value_.part(std::clamp(value, value_.low, value_.high)) * (box_.bottom - box_.top);
  }
  std::string classes(size_t i) const { return "c" + std::to_string(i) + " d" + std::to_string(i); }

  // Returns where the box may begin.
  double draw_legend(double left, double baseline) {
    double at = left;
    std::vector<std::string> labels;
    for (size_t i = 0; i < count_; ++i) labels.push_back(panel_.curves[i].label);
    if (panel_.curves.size() > count_)
      labels.push_back("and " + std::to_string(panel_.curves.size() - count_) + " more in the CSV file");
    for (size_t i = 0; i < labels.size(); ++i) {
      const double width = 48 + 7.2 * static_cast<double>(labels[i].size());
      if (at > left && at + width > left + kPanelWidth + 20) {
        at = left;
        baseline += kLegendRow;
      }
      if (i < count_) out_ += line(at, baseline - 4, at + 26, baseline - 4, "line " + classes(i));
      out_ += text_at(at + (i < count_ ? 32 : 0), baseline, "class=\"quiet\"", labels[i]);
      at += width;
    }
    return baseline + 14;
  }

  void draw_axes() {
    for (const double tick : value_.ticks) {
      out_ += line(box_.left, y(tick), box_.right, y(tick), tick == 0 ? "zero" : "grid");
      out_ +=
          text_at(box_.left - 7, y(tick) + 4, "class=\"tick\" text-anchor=\"end\"", tick_label(value_, tick));
    }
    for (const double tick : time_.ticks) {
      out_ += line(x(tick), box_.top, x(tick), box_.bottom, "grid");
      out_ += text_at(x(tick), box_.bottom + 17, "class=\"tick\" text-anchor=\"middle\"",
                      tick_label(time_, tick));
    }
    out_ += "<path class=\"frame\" d=\"M" + px(box_.left) + " " + px(box_.top) + "V" + px(box_.bottom) + "H" +
            px(box_.right) + "\"/>\n";
    if (value_.exponent != 0)
      out_ +=
          text_at(box_.left - 7, box_.top - 7, "class=\"tick\" text-anchor=\"end\"", exponent_label(value_));
    out_ += text_at((box_.left + box_.right) / 2, box_.bottom + 34, "class=\"tick\" text-anchor=\"middle\"",
                    time_.exponent == 0 ? "time t" : "time t, " + exponent_label(time_));
  }

  void draw_curve(size_t i) {
    const std::vector<double>& values = panel_.curves[i].y;
    const std::vector<size_t> steps = steps_to_draw(values);
    const bool stairs = panel_.stairs && values.size() <= kMaxStairs;
    std::string path, dots;
    for (const size_t k : steps) {
      const std::string at_x = px(x(dt_ * static_cast<double>(k))), at_y = px(y(values[k]));
      const bool stair = stairs && !path.empty();
      path += stair ? "H" + at_x + "V" + at_y : (path.empty() ? "M" : "L") + at_x + " " + at_y;
      dots += "M" + at_x + " " + at_y + "h0";
    }
    if (stairs) path += "H" + px(x(dt_ * static_cast<double>(values.size())));
    out_ += "<path class=\"line " + classes(i) + "\" d=\"" + path + "\"/>\n";
    if (values.size() <= kMaxDots)
      out_ += "<path class=\"dots c" + std::to_string(i) + "\" d=\"" + dots + "\"/>\n";
  }

  const Panel& panel_;
  const Axis& time_;
  double dt_;
  size_t count_;
  std::string out_;
  Box box_{};
  Axis value_;
};

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

// What the curves show, in words.
std::string description(const Plot& plot) {
  std::string text = plot.subtitle + ".";
  for (const Panel& panel : plot.panels) {
    text += " " + panel.title + ":";
    for (size_t i = 0; i < std::min(panel.curves.size(), kMaxCurves); ++i) {
      const std::vector<double>& y = panel.curves[i].y;
      const auto [low, high] = std::minmax_element(y.begin(), y.end());
      text += (i ? "; " : " ") + panel.curves[i].label + " starts at " + short_number(y.front()) +
              ", lies in " + short_number(*low) + " to " + short_number(*high) + ", ends at " +
              short_number(y.back());
    }
    text += ".";
  }
  return text;
}

}  // namespace

std::string plot_svg(const Plot& plot) {
  const auto rows = static_cast<double>((plot.panels.size() + 1) / 2);
  const double height = kHead + rows * kPanelHeight + (rows - 1) * kGap + kMargin;
  const std::string size = px(kWidth) + " " + px(height);
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size + "\" width=\"" +
                    px(kWidth) + "\" height=\"" + px(height) +
                    "\" role=\"img\" aria-labelledby=\"title desc\">\n";
  out += "<title id=\"title\">" + escape(plot.title) + "</title>\n";
  out += "<desc id=\"desc\">" + escape(description(plot)) + "</desc>\n<style>" + kStyle + "</style>\n";
  out += "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n";
  out += text_at(kMargin, 34, "class=\"title\"", plot.title);
  out += text_at(kMargin, 56, "class=\"quiet\"", plot.subtitle);
  const size_t num_steps = plot.panels[0].curves[0].y.size();
  const Axis time = make_axis(0, plot.dt * static_cast<double>(num_steps));  // the last step ends there
  for (size_t i = 0; i < plot.panels.size(); ++i) {
    const double left = kMargin + static_cast<double>(i % 2) * (kPanelWidth + kGap);
    const double top = kHead + static_cast<double>(i / 2) * (kPanelHeight + kGap);
    out += PanelDrawing(plot.panels[i], time, plot.dt, left, top).draw();
  }
  return out + "</svg>\n";
}

}  // namespace mom::ssm
