// Trains an image VAE on pictures held in memory.
#pragma once

#include <ATen/core/Tensor.h>

#include "mom/base/json.h"
#include "mom/codecs/image_vae.h"

namespace mom::codecs {

// Pictures are u8 [N, 3, S, S]; each of the K views holds the same N pictures, view 0 as they are, the others
// slightly shifted and scaled.
struct VaePictures {
  std::vector<at::Tensor> train_views;  // K of [N, 3, S, S]
  at::Tensor validation;                // [M, 3, S, S], may have no rows
};

// Writes a codec folder at `out` (whole or not at all) with report/reconstructions.png, and returns its
// report:
//   {"train_pictures": n, "validation_pictures": m, "validation_psnr_db": mean over pictures,
//   "validation_mse": of pixels in [0, 1]}
// The same input, seed and number of threads give the same bits. DivergedError: the loss is not finite.
Json train_image_vae(const ImageVaeConfig& config, const VaePictures& pictures, const Path& out,
                     bool replace);

// Peak signal-to-noise ratio of each picture in dB, u8 against u8, [N]; equal pictures count as 99 dB.
at::Tensor psnr_db(const at::Tensor& images_NCHW, const at::Tensor& others_NCHW);

}  // namespace mom::codecs
