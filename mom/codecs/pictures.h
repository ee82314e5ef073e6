// How images become what image codecs take: alpha over white, fitted into a square, and slightly different
// views for training. Images are never flipped (flags, letters) and nothing is cut off.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "mom/formats/image_file.h"

namespace mom::codecs {

// `count` RGB images of side x side: view 0 as it is; views 1.. shrunk by up to a tenth and placed anywhere
// in the square. A pure function of the image, `key` and the view's number.
std::vector<formats::Image> image_views(const formats::Image& image, int64_t side, int64_t count,
                                        std::string_view key);

at::Tensor to_tensor(const formats::Image& rgb);       // u8 [3, H, W]
formats::Image to_image(const at::Tensor& image_CHW);  // u8 [3, H, W]

}  // namespace mom::codecs
