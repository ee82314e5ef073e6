#include "mom/quality/accuracy.h"

#include <gtest/gtest.h>

namespace mom::quality {
namespace {

TEST(Accuracy, CountsOnlyWhatIsAboveAllOthers) {
  Accuracy accuracy;
  accuracy.add({2, 1, 1});
  accuracy.add({1, 2, 0});
  accuracy.add({1, 1, 0});  // a tie is no choice
  accuracy.add({-1, -3});
  EXPECT_EQ(accuracy.correct, 2);
  EXPECT_EQ(accuracy.of, 4);
}

// Values of Wilson's formula worked out by hand with z = 1.96.
TEST(Accuracy, IntervalIsWilsons) {
  const auto [low, high] = Accuracy{8, 10}.interval();
  EXPECT_NEAR(low, 0.4902, 1e-4);
  EXPECT_NEAR(high, 0.9433, 1e-4);
  EXPECT_NEAR((Accuracy{0, 10}.interval().second), 0.2775, 1e-4);
  EXPECT_EQ((Accuracy{0, 10}.interval().first), 0);
  EXPECT_EQ((Accuracy{0, 0}.interval().second), 1);
}

}  // namespace
}  // namespace mom::quality
