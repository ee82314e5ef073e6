#include "mom/codecs/pictures.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "mom/base/random.h"

namespace mom::codecs {
namespace {

constexpr double kMaxGrowth = 1.1;  // of the canvas: the image shrinks by up to a tenth

// The image on a white square canvas of `canvas` pixels a side, its top left corner at (left, top).
formats::Image placed(const formats::Image& rgb, int64_t canvas, int64_t left, int64_t top) {
  formats::Image result{canvas, canvas, 3,
                        std::vector<uint8_t>(static_cast<size_t>(canvas * canvas * 3), 255)};
  formats::paste(result, rgb, left, top);
  return result;
}

}  // namespace

std::vector<formats::Image> image_views(const formats::Image& image, int64_t side, int64_t count,
                                        std::string_view key) {
  const formats::Image rgb = formats::blend_on_white(image);
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

at::Tensor to_tensor(const formats::Image& rgb) {
  TORCH_CHECK(rgb.channels == 3, "[to_tensor] expected 3 channels, got ", rgb.channels);
  return torch::from_blob(const_cast<uint8_t*>(rgb.pixels.data()), {rgb.height, rgb.width, 3}, at::kByte)
      .permute({2, 0, 1})
      .contiguous();
}

formats::Image to_image(const at::Tensor& image_CHW) {
  TORCH_CHECK(image_CHW.dim() == 3 && image_CHW.size(0) == 3 && image_CHW.scalar_type() == at::kByte,
              "[to_image] expected u8 [3, H, W], got ", image_CHW.scalar_type(), " ", image_CHW.sizes());
  const at::Tensor rows = image_CHW.permute({1, 2, 0}).contiguous();
  const uint8_t* pixels = rows.const_data_ptr<uint8_t>();
  return {image_CHW.size(2), image_CHW.size(1), 3, {pixels, pixels + rows.numel()}};
}

}  // namespace mom::codecs
