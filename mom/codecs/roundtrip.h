// Encodes one file with a codec, decodes it again, and says what was lost.
#pragma once

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::codecs {

// A text codec writes the text back to `out`; an image codec writes the fitted picture's reconstruction as
// PNG. Returns
//   text:  {"kind", "hash", "bytes", "tokens", "tokens_per_byte", "exact": true/false}
//   image: {"kind", "hash", "width", "height", "latent_shape": [C, H, W], "psnr_db"}
OrderedJson roundtrip(const Path& codec, const Path& file, const Path& out);

}  // namespace mom::codecs
