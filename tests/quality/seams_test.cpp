#include "mom/quality/seams.h"

#include <gtest/gtest.h>

#include <functional>

namespace mom::quality {
namespace {

formats::Image image(int64_t side, const std::function<int(int64_t x, int64_t y)>& value) {
  formats::Image made{side, side, 3, {}};
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x)
      made.pixels.insert(made.pixels.end(), 3, static_cast<uint8_t>(value(x, y)));
  return made;
}

TEST(Seams, OneWhereTheGridDoesNotShow) {
  EXPECT_DOUBLE_EQ(seam_ratio({image(16, [](auto x, auto y) { return 4 * x + 3 * y; })}, 4), 1);
  EXPECT_DOUBLE_EQ(seam_ratio({image(16, [](auto, auto) { return 7; })}, 4), 1);
}

// Steps of 1 inside and of 9 across: three borders a row, and three a column.
TEST(Seams, HowMuchHigherTheStepsAcrossBordersAre) {
  const auto shifted = [](auto x, auto y) { return x + 8 * (x / 4) + y + 8 * (y / 4); };
  EXPECT_DOUBLE_EQ(seam_ratio({image(16, shifted)}, 4), 9);
  EXPECT_LT(seam_ratio({image(16, shifted)}, 3), 2) << "another grid";
}

TEST(Seams, PatchesOfOneColourAreNothingButSeams) {
  EXPECT_EQ(seam_ratio({image(8, [](auto x, auto) { return 40 * (x / 4); })}, 4), 1000);
}

TEST(Seams, ImagesArePooledNotAveraged) {
  const auto flat = image(16, [](auto, auto) { return 7; });
  const auto shifted = image(16, [](auto x, auto y) { return x + 8 * (x / 4) + y + 8 * (y / 4); });
  EXPECT_DOUBLE_EQ(seam_ratio({flat, shifted}, 4), 9);
}

TEST(Seams, EveryChannelCounts) {
  formats::Image red = image(8, [](auto, auto) { return 0; });
  for (int64_t y = 0; y < 8; ++y)
    for (int64_t x = 0; x < 8; ++x)
      red.pixels[static_cast<size_t>((y * 8 + x) * 3)] = static_cast<uint8_t>(x + 2 * (x / 4));
  // In rows 48 steps of 1 and 8 of 3; in columns 48 and 8 of 0.
  EXPECT_DOUBLE_EQ(seam_ratio({red}, 4), (3.0 * 8 / 16) / (48.0 / 96));
}

}  // namespace
}  // namespace mom::quality
