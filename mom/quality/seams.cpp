#include "mom/quality/seams.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace mom::quality {
namespace {

struct Jumps {
  int64_t sum = 0, count = 0;
  double mean() const { return count > 0 ? static_cast<double>(sum) / static_cast<double>(count) : 0; }
};

}  // namespace

double seam_ratio(const std::vector<formats::Image>& images, int64_t patch_side) {
  Jumps across, inside;
  for (const formats::Image& image : images) {
    const int64_t row = image.width * image.channels;
    const auto add = [&](int64_t pixel, int64_t neighbour, bool is_border) {
      Jumps& jumps = is_border ? across : inside;
      for (int64_t c = 0; c < image.channels; ++c)
        jumps.sum += std::abs(int64_t{image.pixels[static_cast<size_t>(pixel + c)]} -
                              int64_t{image.pixels[static_cast<size_t>(neighbour + c)]});
      jumps.count += image.channels;
    };
    for (int64_t y = 0; y < image.height; ++y) {
      for (int64_t x = 0; x < image.width; ++x) {
        const int64_t pixel = y * row + x * image.channels;
        if (x + 1 < image.width) add(pixel, pixel + image.channels, (x + 1) % patch_side == 0);
        if (y + 1 < image.height) add(pixel, pixel + row, (y + 1) % patch_side == 0);
      }
    }
  }
  constexpr double kMost = 1000;  // a number, for JSON
  if (across.sum == 0 && inside.sum == 0) return 1;
  return inside.sum == 0 ? kMost : std::min(kMost, across.mean() / inside.mean());
}

}  // namespace mom::quality
