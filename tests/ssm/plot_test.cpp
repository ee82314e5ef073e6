#include "mom/ssm/plot.h"

#include <gtest/gtest.h>

#include "mom/ssm/plot_axis.h"

namespace mom::ssm {
namespace {

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> texts;
  for (const double tick : axis.ticks) texts.push_back(tick_label(axis, tick));
  return texts;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

Plot plot_of(std::vector<Curve> curves) {
  return {"title", "subtitle", 0.5, {{"panel", std::move(curves), false}}};
}

TEST(PlotAxis, TicksAreRoundNumbers) {
  EXPECT_EQ(labels(make_axis(0, 1)), (std::vector<std::string>{"0", "0.2", "0.4", "0.6", "0.8", "1"}));
  EXPECT_EQ(labels(make_axis(-0.31, 0.3)),
            (std::vector<std::string>{"−0.3", "−0.2", "−0.1", "0", "0.1", "0.2", "0.3"}));
  EXPECT_EQ(labels(make_axis(0, 99999)), (std::vector<std::string>{"0", "20000", "40000", "60000", "80000"}));
}

TEST(PlotAxis, LongNumbersShareAPowerOfTen) {
  const Axis small = make_axis(0, 3e-7);
  EXPECT_EQ(exponent_label(small), "×10⁻⁷");
  EXPECT_EQ(labels(small), (std::vector<std::string>{"0", "0.5", "1", "1.5", "2", "2.5", "3"}));
  EXPECT_EQ(exponent_label(make_axis(0, 2e12)), "×10¹²");
}

TEST(PlotAxis, RangesThatHurt) {
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {0, 0}, {5e-324, 5e-324}, {-1e308, 1e308}, {0, 1e-300}, {-1.7e308, 0}}) {
    const Axis axis = make_axis(low, high);
    EXPECT_LT(axis.low, axis.high) << low << " " << high;
    EXPECT_GE(axis.ticks.size(), 2u) << low << " " << high;
    EXPECT_LE(axis.ticks.size(), 12u) << low << " " << high;
  }
}

TEST(Plot, ALonePeakOfAMillionStepsIsSeen) {
  std::vector<double> y(1'000'000, 0.0);
  y[777'777] = 1;
  const std::string svg = plot_svg(plot_of({{"y_1", y}}));
  EXPECT_LT(svg.size(), 60'000u);
  EXPECT_EQ(count(svg, "lies in 0 to 1"), 1u);
  const size_t begin = svg.find("M", svg.rfind("class=\"line c0 d0\""));  // M72.0 234.0L72.5 234.0...
  const std::string path = svg.substr(begin, svg.find('"', begin) - begin);
  const size_t space = path.find(' ');
  const std::string zero = path.substr(space, path.find('L') - space);
  EXPECT_GT(count(path, zero), 700u);
  EXPECT_EQ(count(path, zero), count(path, " ") - 1);
}

TEST(Plot, TextFromOutsideIsEscaped) {
  Plot plot = plot_of({{"a<b", {1, 2}}});
  plot.title = "\"x\" & <script>";
  const std::string svg = plot_svg(plot);
  EXPECT_EQ(count(svg, "<script>"), 0u);
  EXPECT_EQ(count(svg, "&quot;x&quot; &amp; &lt;script&gt;"), 2u);
  EXPECT_EQ(count(svg, "a<b"), 0u);
}

TEST(Plot, FewStepsGetDotsAndManyCurvesAreCut) {
  std::vector<Curve> curves(8, {"y", {0, 1, 2}});
  const std::string svg = plot_svg(plot_of(curves));
  EXPECT_EQ(count(svg, "class=\"dots"), kMaxCurves);
  EXPECT_EQ(count(svg, "and 2 more in the CSV file"), 1u);
  EXPECT_EQ(count(plot_svg(plot_of({{"y", std::vector<double>(100, 1.0)}})), "class=\"dots"), 0u);
}

}  // namespace
}  // namespace mom::ssm
