#include "mom/codecs/codec_kinds.h"

#include "mom/base/error.h"
#include "mom/codecs/external_codec.h"
#include "mom/codecs/image_vae.h"
#include "mom/codecs/image_vq.h"
#include "mom/codecs/speech_codec.h"
#include "mom/codecs/text_codec.h"

namespace mom::codecs {
namespace {

template <class Kind>
std::unique_ptr<Codec> open(CodecInfo info) {
  return std::make_unique<Kind>(std::move(info));
}

}  // namespace

const std::vector<CodecKind>& codec_kinds() {
  static const std::vector<CodecKind> kinds = {{TextCodec::kKind, open<TextCodec>},
                                               {ImageVae::kKind, open<ImageVae>},
                                               {ImageVq::kKind, open<ImageVq>},
                                               {SpeechCodec::kKind, open<SpeechCodec>},
                                               {ExternalCodec::kKind, open<ExternalCodec>}};
  return kinds;
}

std::string codec_kind_names() {
  std::string names;
  for (const CodecKind& kind : codec_kinds()) names += (names.empty() ? "" : ", ") + kind.name;
  return names;
}

std::unique_ptr<Codec> open_codec(const Path& folder) {
  CodecInfo info = read_codec_info(folder);
  for (const CodecKind& kind : codec_kinds())
    if (kind.name == info.kind) return kind.open(std::move(info));
  throw InputError(
      {folder.string(), "a codec of kind " + codec_kind_names(), "kind \"" + info.kind + "\"", ""});
}

}  // namespace mom::codecs
