#include "mom/data/views.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "mom/base/error.h"
#include "mom/base/random.h"

namespace mom::data {
namespace {

constexpr double kMaxGrowth = 1.1;  // of the canvas: the picture shrinks by up to a tenth

// The picture on a white square canvas of `canvas` pixels a side, its top left corner at (left, top).
formats::Image placed(const formats::Image& rgb, int64_t canvas, int64_t left, int64_t top) {
  formats::Image result{canvas, canvas, 3,
                        std::vector<uint8_t>(static_cast<size_t>(canvas * canvas * 3), 255)};
  formats::paste(result, rgb, left, top);
  return result;
}

}  // namespace

std::vector<formats::Image> picture_views(const formats::Image& picture, int64_t side, int64_t count,
                                          std::string_view key) {
  const formats::Image rgb = formats::blend_on_white(picture);
  std::vector<formats::Image> views = {formats::fit_square(rgb, side)};
  for (int64_t view = 1; view < count; ++view) {
    RandomStream random(stream_key({fnv1a64("picture view"), fnv1a64(key), static_cast<uint64_t>(view)}));
    const double growth = 1 + (kMaxGrowth - 1) * random.uniform();
    const int64_t canvas = std::llround(static_cast<double>(std::max(rgb.width, rgb.height)) * growth);
    const auto left = static_cast<int64_t>(random.below(static_cast<uint64_t>(canvas - rgb.width + 1)));
    const auto top = static_cast<int64_t>(random.below(static_cast<uint64_t>(canvas - rgb.height + 1)));
    views.push_back(formats::fit_square(placed(rgb, canvas, left, top), side));
  }
  return views;
}

formats::Image read_picture(const DocumentReader& reader, const MediaRef& media, const std::string& sample) {
  try {
    const std::string bytes = reader.read_media(media);
    return formats::decode_image(std::as_bytes(std::span(bytes)),
                                 media.file + " at byte " + std::to_string(media.offset));
  } catch (const InputError& error) {
    throw InputError(sample + ": " + error.what());
  }
}

std::string sample_name(const Collection& collection, const Document& document) {
  return collection.file + ", document \"" + document.key + "\"";
}

}  // namespace mom::data
