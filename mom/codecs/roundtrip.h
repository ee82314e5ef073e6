// Encodes one file with a codec, decodes it again, and says what was lost.
#pragma once

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::codecs {

struct RoundtripOptions {
  Path codec, file, out;
  // Sounds only, empty = none: safetensors with `original` and `decoded`, f32 log-mel [F, 80] (codecs/mel.h).
  Path mel;
};

// A text codec writes the text back to `out`; an image codec writes the fitted picture's reconstruction as
// PNG; a speech codec the speech as WAV. Returns
//   text:  {"kind", "hash", "bytes", "tokens", "tokens_per_byte", "exact": true/false}
//   image_vae: {"kind", "hash", "width", "height", "latent_shape": [C, H, W], "psnr_db"}
//   vq_image:  {"kind", "hash", "width", "height", "codes": L, "different_codes", "psnr_db"}
//   speech:    {"kind", "hash", "seconds", "codes", "mel_l1"}
OrderedJson roundtrip(const RoundtripOptions& options);

}  // namespace mom::codecs
