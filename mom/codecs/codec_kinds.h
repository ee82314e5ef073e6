// The kinds of codecs: the one table that opens a folder by what its codec.json says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mom/codecs/codec.h"

namespace mom::codecs {

struct CodecKind {
  std::string name;
  std::unique_ptr<Codec> (*open)(CodecInfo info);
};
// In the order of their modalities in a joint vocabulary.
const std::vector<CodecKind>& codec_kinds();
std::string codec_kind_names();  // "text, image_vae, ..."

// InputError: not a codec folder, damaged, or of a kind that is not in the table.
std::unique_ptr<Codec> open_codec(const Path& folder);

}  // namespace mom::codecs
