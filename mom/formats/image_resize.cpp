#include <algorithm>
#include <cmath>

#include "mom/formats/image_decoders.h"
#include "mom/formats/image_file.h"

namespace mom::formats {
namespace {

// The source pixels [first, first + weights.size()) that make one target pixel; weights sum to 1.
struct Tap {
  int64_t first = 0;
  std::vector<float> weights;
};

Tap area_tap(int64_t target, double scale, int64_t size) {
  const double begin = static_cast<double>(target) * scale;
  const double end = std::min(static_cast<double>(size), begin + scale);
  Tap tap;
  tap.first = static_cast<int64_t>(begin);
  const int64_t last = std::min(size - 1, static_cast<int64_t>(std::ceil(end)) - 1);
  for (int64_t source = tap.first; source <= last; ++source) {
    const double from = std::max(begin, static_cast<double>(source));
    const double to = std::min(end, static_cast<double>(source + 1));
    tap.weights.push_back(static_cast<float>((to - from) / (end - begin)));
  }
  return tap;
}

Tap bilinear_tap(int64_t target, double scale, int64_t size) {
  const double centre = (static_cast<double>(target) + 0.5) * scale - 0.5;  // pixel centres, borders repeated
  const double clamped = std::clamp(centre, 0.0, static_cast<double>(size - 1));
  Tap tap;
  tap.first = std::min(static_cast<int64_t>(clamped), size - 1);
  const auto share = static_cast<float>(clamped - static_cast<double>(tap.first));
  tap.weights = {1 - share};
  if (share > 0) tap.weights.push_back(share);
  return tap;
}

std::vector<Tap> taps(int64_t source_size, int64_t target_size) {
  const double scale = static_cast<double>(source_size) / static_cast<double>(target_size);
  std::vector<Tap> result;
  for (int64_t target = 0; target < target_size; ++target)
    result.push_back(scale > 1 ? area_tap(target, scale, source_size)
                               : bilinear_tap(target, scale, source_size));
  return result;
}

// Rows first, then columns, in f32 between.
Image resize(const Image& image, int64_t width, int64_t height) {
  const auto columns = taps(image.width, width), rows = taps(image.height, height);
  std::vector<float> between(static_cast<size_t>(width * image.height * 3));
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (size_t k = 0; k < columns[x].weights.size(); ++k)
        for (int64_t c = 0; c < 3; ++c)
          between[(y * width + x) * 3 + c] +=
              columns[x].weights[k] *
              static_cast<float>(
                  image.pixels[(y * image.width + columns[x].first + static_cast<int64_t>(k)) * 3 + c]);
  Image result{width, height, 3, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  std::vector<float> sums(static_cast<size_t>(width * 3));
  for (int64_t y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (size_t k = 0; k < rows[y].weights.size(); ++k)
      for (int64_t i = 0; i < width * 3; ++i)
        sums[i] += rows[y].weights[k] * between[(rows[y].first + static_cast<int64_t>(k)) * width * 3 + i];
    for (int64_t i = 0; i < width * 3; ++i)
      result.pixels[y * width * 3 + i] = static_cast<uint8_t>(std::clamp(sums[i] + 0.5f, 0.0f, 255.0f));
  }
  return result;
}

}  // namespace

Image blend_on_white(const Image& image) {
  check_encodable(image);
  if (image.channels == 3) return image;
  Image rgb{image.width, image.height, 3, {}};
  rgb.pixels.reserve(static_cast<size_t>(image.width * image.height * 3));
  for (size_t i = 0; i < image.pixels.size(); i += 4) {
    const int alpha = image.pixels[i + 3];
    for (size_t c = 0; c < 3; ++c)
      rgb.pixels.push_back(
          static_cast<uint8_t>((image.pixels[i + c] * alpha + 255 * (255 - alpha) + 127) / 255));
  }
  return rgb;
}

Image fit_square(const Image& rgb, int64_t side) {
  if (rgb.channels != 3) return fit_square(blend_on_white(rgb), side);
  check_encodable(rgb);
  const int64_t longer = std::max(rgb.width, rgb.height);
  auto scaled = [&](int64_t size) { return std::max<int64_t>(1, (size * side + longer / 2) / longer); };
  const int64_t width = scaled(rgb.width), height = scaled(rgb.height);
  const Image fitted = width == rgb.width && height == rgb.height ? rgb : resize(rgb, width, height);
  Image square{side, side, 3, std::vector<uint8_t>(static_cast<size_t>(side * side * 3), 255)};
  paste(square, fitted, (side - width) / 2, (side - height) / 2);
  return square;
}

void paste(Image& canvas, const Image& rgb, int64_t left, int64_t top) {
  for (int64_t y = 0; y < rgb.height; ++y)
    std::copy_n(rgb.pixels.begin() + y * rgb.width * 3, rgb.width * 3,
                canvas.pixels.begin() + ((top + y) * canvas.width + left) * 3);
}

}  // namespace mom::formats
