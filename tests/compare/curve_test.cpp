#include "mom/compare/curve.h"

#include <gtest/gtest.h>

#include <cmath>

#include "mom/base/random.h"

namespace mom::compare {
namespace {

// L = floor + scale * x^-power at x = spacing, 2 spacing, ..., count * spacing.
Curve power_curve(double floor, double scale, double power, int count, double spacing = 1) {
  Curve curve;
  for (int i = 1; i <= count; ++i) {
    curve.flops.push_back(i * spacing);
    curve.loss.push_back(floor + scale * std::pow(i * spacing, -power));
  }
  return curve;
}

TEST(FallingFit, LeavesAFallingCurveAsItIs) {
  const Curve curve = power_curve(0.1, 1, 0.5, 20);
  EXPECT_EQ(falling_fit(curve.loss), curve.loss);
}

TEST(FallingFit, AveragesWhereTheCurveRises) {
  EXPECT_EQ(falling_fit({5, 3, 4, 1}), (std::vector<double>{5, 3.5, 3.5, 1}));
  EXPECT_EQ(falling_fit({1, 2, 3}), (std::vector<double>{2, 2, 2}));
  EXPECT_EQ(falling_fit({4, 2, 1, 6}), (std::vector<double>{4, 3, 3, 3}));
  EXPECT_TRUE(falling_fit({}).empty());
}

TEST(LocalLines, LeaveALineInLogFlopsAsItIs) {
  std::vector<double> x, line;
  for (int i = 0; i < 20; ++i) {
    x.push_back(i * 5.0);
    line.push_back(7 - 2 * std::log(i * 5.0 + 5));
  }
  const auto fit = local_lines(x, line, 3);
  for (size_t i = 0; i < fit.size(); ++i) EXPECT_NEAR(fit[i], line[i], 1e-12);
  EXPECT_EQ(local_lines(x, line, 0), line);
}

TEST(Smoothed, AveragesNoiseAwayAndNeverRises) {
  const Curve clean = power_curve(0.1, 1, 0.5, 20, 50);
  double before = 0, after = 0;
  for (uint64_t trial = 0; trial < 100; ++trial) {
    RandomStream random(trial);
    Curve noisy = clean;
    for (double& loss : noisy.loss) loss *= 1 + 0.01 * random.normal();
    const Curve fit = smoothed(noisy);
    for (size_t i = 1; i < clean.size(); ++i) {
      EXPECT_LE(fit.loss[i], fit.loss[i - 1]);
      if (i < 4) continue;  // the steep start is bent more than a line follows
      before += std::pow(noisy.loss[i] - clean.loss[i], 2);
      after += std::pow(fit.loss[i] - clean.loss[i], 2);
    }
  }
  EXPECT_LT(
      after,
      before / 2);  // a line through five points leaves a fifth of the variance in the middle, 0.6 at an end
}

TEST(Smoothed, FewPointsKeepTheirShape) {
  const Curve few{{0, 1, 2, 3, 4}, {10, 5, 4, 3, 2}};
  EXPECT_EQ(smoothed(few).loss, few.loss);
}

TEST(Smoothed, TheUntrainedModelBendsNoLine) {
  Curve curve{{0}, {10}};
  for (int i = 1; i <= 15; ++i) {
    curve.flops.push_back(i * 5.0);
    curve.loss.push_back(7 - std::log(i * 5.0 + 5));
  }
  const Curve fit = smoothed(curve);
  for (size_t i = 0; i < fit.size(); ++i) EXPECT_NEAR(fit.loss[i], curve.loss[i], 1e-12);
}

TEST(FirstReach, InterpolatesBetweenEvaluations) {
  const Curve curve{{10, 20, 30}, {4, 2, 2}};
  EXPECT_DOUBLE_EQ(first_reach(curve, 3).value(), 15);
  EXPECT_DOUBLE_EQ(first_reach(curve, 2).value(), 20);
  EXPECT_DOUBLE_EQ(first_reach(curve, 9).value(), 10);
  EXPECT_FALSE(first_reach(curve, 1.99).has_value());
}

TEST(EndPoint, KnownInClosedForm) {
  // a + b1 X^-c = a + b2 y^-c  =>  y / X = (b2 / b1)^(1/c), here (0.8)^2 = 0.64. Fine spacing: interpolation
  // is second order.
  const Curve dense = power_curve(0.1, 1, 0.5, 1000), mix = power_curve(0.1, 0.8, 0.5, 1000);
  EXPECT_NEAR(end_point_ratio(dense, mix).value(), 0.64, 1e-5);
  EXPECT_NEAR(end_point_ratio(power_curve(0.1, 1, 0.5, 20, 50), power_curve(0.1, 0.8, 0.5, 20, 50)).value(),
              0.64, 2e-3);
  EXPECT_DOUBLE_EQ(end_point_ratio(dense, dense).value(), 1);
}

TEST(EndPoint, DividesByTheDenseRunsFlops) {
  // The mix's steps cost twice as much: the same losses at twice the FLOPs.
  const Curve dense = power_curve(0.1, 1, 0.5, 100);
  Curve mix = power_curve(0.1, 0.5, 0.5, 100);
  for (double& flops : mix.flops) flops *= 2;
  EXPECT_NEAR(end_point_ratio(dense, mix).value(), 0.5, 1e-3);
}

TEST(EndPoint, NeverIsNoNumber) {
  EXPECT_FALSE(end_point_ratio(power_curve(0.1, 1, 0.5, 100), power_curve(0.1, 1.2, 0.5, 100)).has_value());
  EXPECT_FALSE(end_point_ratio(power_curve(0.1, 1, 0.5, 1), power_curve(0.1, 0.5, 0.5, 1)).has_value());
}

TEST(Slope, KnownInClosedForm) {
  // Equal loss is at y = 0.64 x for every x, so the slope is that too.
  const Curve dense = power_curve(0.1, 1, 0.5, 1000), mix = power_curve(0.1, 0.8, 0.5, 1000);
  EXPECT_NEAR(slope_ratio(dense, mix).value(), 0.64, 1e-4);
  EXPECT_NEAR(slope_ratio(mix, dense).value(), 1 / 0.64, 1e-3);
  EXPECT_DOUBLE_EQ(slope_ratio(dense, dense).value(), 1);
}

TEST(Slope, IsComputableWhereTheEndPointIsNever) {
  const Curve dense = power_curve(0.1, 1, 0.5, 1000), worse = power_curve(0.1, 1.1, 0.5, 1000);
  EXPECT_FALSE(end_point_ratio(dense, worse).has_value());
  EXPECT_NEAR(slope_ratio(dense, worse).value(), 1.21, 1e-3);
}

TEST(Slope, NullWhenTheCurvesShareTooFewLosses) {
  EXPECT_FALSE(slope_ratio(power_curve(5, 1, 0.5, 50), power_curve(1, 1, 0.5, 50)).has_value());
  EXPECT_FALSE(slope_ratio(power_curve(1, 1, 0.5, 50), power_curve(5, 1, 0.5, 50)).has_value());
}

TEST(Crossing, EndPointSeesTheEndAndSlopeTheWhole) {
  // The mix starts slower (loss 10 x^-0.5 against 5 x^-0.3) and is better at the end: they cross at x = 2^5
  // = 32.
  const Curve dense = power_curve(0, 5, 0.3, 1024), mix = power_curve(0, 10, 0.5, 1024);
  // 10 y^-0.5 = 5 * 1024^-0.3  =>  y = 4 * 1024^0.6 = 256.
  EXPECT_NEAR(end_point_ratio(dense, mix).value(), 0.25, 1e-4);
  // y = 4 x^0.6: sum xy / sum xx with integrals = 4 * (3/2.6) * 1024^-0.4 for large counts; below 1, above
  // the end point.
  EXPECT_NEAR(slope_ratio(dense, mix).value(), 4 * 3 / 2.6 * std::pow(1024, -0.4), 2e-3);
}

TEST(Noise, MatchesStayNearTheTruth) {
  double sum = 0, worst = 0, own = 0, slopes = 0;
  const int trials = 200;
  for (int trial = 0; trial < trials; ++trial) {
    RandomStream random(static_cast<uint64_t>(trial));
    Curve dense = power_curve(0.1, 1, 0.5, 20, 50), mix = power_curve(0.1, 0.8, 0.5, 20, 50);
    for (double& loss : dense.loss) loss *= 1 + 0.005 * random.normal();
    for (double& loss : mix.loss) loss *= 1 + 0.005 * random.normal();
    dense = smoothed(dense), mix = smoothed(mix);
    const auto ratio = end_point_ratio(dense, mix);
    ASSERT_TRUE(ratio.has_value()) << "trial " << trial;
    sum += *ratio;
    slopes += slope_ratio(dense, mix).value();
    own += end_point_ratio(dense, dense).value();
    worst = std::max(worst, std::abs(*ratio - 0.64));
  }
  // Half a percent of noise on a loss of 0.13 is 0.00066; the mix curve falls by 2.5e-5 a unit at 640 of
  // 1000, so one noisy evaluation a curve moves the ratio by 0.026 x sqrt(2) = 0.037, and the mean of 200 by
  // 0.0026. Local lines add 0.004.
  EXPECT_NEAR(sum / trials, 0.64, 0.004 + 3 * 0.0026);
  EXPECT_NEAR(slopes / trials, 0.64, 0.004 + 3 * 0.0026);
  EXPECT_LT(worst, 4 * 0.037);
  EXPECT_GT(own / trials, 0.99);
}

TEST(MovingAverage, HalfLifeAndStart) {
  EXPECT_EQ(moving_average({1, 2, 3}, {7, 7, 7}, 5), (std::vector<double>{7, 7, 7}));
  // Two values one half-life apart: weights 1/2 and 1.
  EXPECT_NEAR(moving_average({0, 10}, {3, 0}, 10)[1], 1, 1e-12);
}

}  // namespace
}  // namespace mom::compare
