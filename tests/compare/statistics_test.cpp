#include "mom/compare/statistics.h"

#include <gtest/gtest.h>

#include "mom/compare/curve.h"

namespace mom::compare {
namespace {

TEST(Mean, OfValues) {
  EXPECT_DOUBLE_EQ(mean({1, 2, 6}), 3);
  EXPECT_DOUBLE_EQ(mean({-4}), -4);
}

TEST(PairedBootstrap, OneValueHasNoInterval) {
  EXPECT_FALSE(paired_bootstrap({0.5}).has_value());
  EXPECT_FALSE(paired_bootstrap(std::vector<double>{}).has_value());
}

TEST(PairedBootstrap, TwoAndThreeValuesGiveTheirRange) {
  // The least n times over: probability 1/4 and 1/27, both above the 2.5% that are cut off.
  const auto two = paired_bootstrap({0.01, 0.03});
  EXPECT_DOUBLE_EQ(two->low, 0.01);
  EXPECT_DOUBLE_EQ(two->high, 0.03);
  const auto three = paired_bootstrap({0.02, -0.01, 0.05});
  EXPECT_DOUBLE_EQ(three->low, -0.01);
  EXPECT_DOUBLE_EQ(three->high, 0.05);
}

TEST(PairedBootstrap, FourValuesInClosedForm) {
  // Of 256 draws of {0, 0, 0, 4}, the number of fours is binomial(4, 1/4): P(0) = 81/256 = 31.6%, P(at most
  // 2) = 94.9%, P(at most 3) = 99.6%. So 2.5% from below is 0 fours and 2.5% from above 3: means 0 and 3.
  const auto interval = paired_bootstrap({0, 0, 0, 4});
  EXPECT_DOUBLE_EQ(interval->low, 0);
  EXPECT_DOUBLE_EQ(interval->high, 3);
}

TEST(PairedBootstrap, ManyValuesGiveTheNormalInterval) {
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(i % 2 ? 1 : -1);  // deviation 1: that of the mean is 0.1
  const auto interval = paired_bootstrap(values);
  EXPECT_NEAR(interval->low, -0.196, 0.025);
  EXPECT_NEAR(interval->high, 0.196, 0.025);
}

TEST(PairedBootstrap, SameSeedSameBits) {
  const std::vector<double> values = {0.1003, 0.7017, 0.2041, 0.4089, 0.3537, 0.9113, 0.5571, 0.6393};
  const auto one = paired_bootstrap(values), two = paired_bootstrap(values),
             other = paired_bootstrap(values, 500, 2);
  EXPECT_EQ(one->low, two->low);
  EXPECT_EQ(one->high, two->high);
  EXPECT_NE(one->low, other->low);
}

// By hand: dense falls 8, 6, 4, 2 at 10, 20, 30, 40; the mix is at 5 at 10 and at 1 at 30.
TEST(EndPoint, ByHand) {
  const Curve dense{{10, 20, 30, 40}, {8, 6, 4, 2}}, mix{{10, 30}, {5, 1}};
  // 2 lies three quarters between 5 and 1: at 25 of 40. Other logging steps do not matter.
  EXPECT_DOUBLE_EQ(end_point_ratio(dense, mix).value(), 25.0 / 40);
  const Curve more_often{{10, 15, 20, 25, 30}, {5, 4, 3, 2, 1}};
  EXPECT_DOUBLE_EQ(end_point_ratio(dense, more_often).value(), 25.0 / 40);
}

TEST(EndPoint, EqualAndNeverByHand) {
  const Curve dense{{10, 20, 30}, {3, 2, 1}}, worse{{10, 20, 30}, {3, 2, 1.01}};
  EXPECT_DOUBLE_EQ(end_point_ratio(dense, dense).value(), 1);
  EXPECT_FALSE(end_point_ratio(dense, worse).has_value());
}

TEST(Slope, ByHand) {
  // Levels 6, 4, 2 of dense at 10, 20, 30; the mix has them at 5, 10, 15 in other places of the log: half.
  const Curve dense{{10, 20, 30}, {6, 4, 2}}, mix{{2.5, 7.5, 17.5}, {7, 5, 1}};
  EXPECT_DOUBLE_EQ(slope_ratio(dense, mix).value(), 0.5);
}

// A noisy evaluation above its neighbours: the falling fit shares 3 and 4 as 3.5 and 3.5.
TEST(EndPoint, NoisyByHand) {
  const Curve dense = {{10, 20, 30, 40}, falling_fit({5, 3, 4, 2})}, mix = {{10, 20}, {3.5, 1.5}};
  EXPECT_EQ(dense.loss, (std::vector<double>{5, 3.5, 3.5, 2}));
  EXPECT_DOUBLE_EQ(end_point_ratio(dense, mix).value(), 17.5 / 40);
}

// The published figure of Mixture-of-Mamba's 1.4B Transfusion run, image training loss by thousands of steps,
// read off to 0.0005. The paper's table says 34.76%; the figure gives 34-36% by the end point.
TEST(EndPoint, ThePublishedCurve) {
  const Curve dense{{20, 30, 120, 150, 200, 240}, {.2344, .2325, .2267, .2255, .2233, .2225}};
  const Curve mix{{20, 30, 87, 120, 150, 200, 240}, {.2300, .2277, .2222, .2204, .2187, .2163, .2147}};
  for (const double ratio :
       {end_point_ratio(dense, mix).value(), end_point_ratio(smoothed(dense), smoothed(mix)).value()}) {
    EXPECT_GE(ratio, 0.34);
    EXPECT_LE(ratio, 0.36);
  }
}

}  // namespace
}  // namespace mom::compare
