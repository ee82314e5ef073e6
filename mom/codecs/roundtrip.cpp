#include "mom/codecs/roundtrip.h"

#include "mom/base/error.h"
#include "mom/codecs/codec_kinds.h"

namespace mom::codecs {

OrderedJson roundtrip(const RoundtripOptions& options) {
  const std::unique_ptr<Codec> codec = open_codec(options.codec);
  if (!options.mel.empty() && codec->media() != MediaKind::kSound)
    throw UserError({"--mel", "a codec of sounds", "kind \"" + codec->info().kind + "\"", ""});
  return codec->roundtrip(options);
}

}  // namespace mom::codecs
