// Trains an image VAE on pictures held in memory.
#pragma once

#include "mom/base/json.h"
#include "mom/codecs/image_vae.h"
#include "mom/codecs/training_pictures.h"

namespace mom::codecs {

// Writes a codec folder at `out` (whole or not at all) with report/reconstructions.png, and returns its report:
//   {"train_pictures": n, "validation_pictures": m, "validation_psnr_db": mean over images,
//    "validation_mse": of pixels in [0, 1]}
// The same input, seed and number of threads give the same bits. DivergedError: the loss is not finite.
Json train_image_vae(const ImageVaeConfig& config, const TrainingPictures& pictures, const Path& out,
                     bool replace);

}  // namespace mom::codecs
