// Decoded pictures <-> the u8 tensors image codecs take.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "mom/formats/image_file.h"

namespace mom::codecs {

at::Tensor to_tensor(const formats::Image& rgb);       // u8 [3, H, W]
formats::Image to_image(const at::Tensor& image_CHW);  // u8 [3, H, W]

}  // namespace mom::codecs
