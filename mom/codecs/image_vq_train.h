// Trains a VQ image codec on pictures held in memory.
#pragma once

#include "mom/base/json.h"
#include "mom/codecs/image_vq.h"
#include "mom/codecs/training_pictures.h"

namespace mom::codecs {

// Writes a codec folder at `out` (whole or not at all) with report/reconstructions.png, and returns its
// report: that of picture_report, and how many of the codes are in use:
//   {"codes_used_share", "code_perplexity": over the training pictures as they are,
//    "validation_codes_used_share", "validation_code_perplexity"}
// The same input, seed and number of threads give the same bits. DivergedError: the loss is not finite.
Json train_image_vq(const ImageVqConfig& config, const TrainingPictures& pictures, const Path& out,
                    bool replace);

}  // namespace mom::codecs
