// Learns a text codec: SentencePiece BPE merges from sample text.
#pragma once

#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/codecs/text_codec.h"

namespace mom::codecs {

struct TextSource {
  std::string name;
  std::vector<std::string> texts;
};

// Writes a codec folder at `out` (whole or not at all) and returns its report:
//   {"sample_bytes": n, "tokens_per_byte": {SOURCE: x}, "bytes_per_token": {SOURCE: x}}
// measured on `validation`.
// The same input gives the same codec, byte for byte. UserError: no text, or more
// characters in it than pieces. Text too poor for config.vocabulary pieces gives fewer, which is said and stored.
Json train_text_codec(TextCodecConfig config, const std::vector<TextSource>& train,
                      const std::vector<TextSource>& validation, const Path& out, bool replace);

}  // namespace mom::codecs
