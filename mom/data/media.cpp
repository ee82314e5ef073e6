#include "mom/data/media.h"

#include "mom/codecs/speech_codec.h"

namespace mom::data {

std::string sample_name(const Collection& collection, const Document& document) {
  return collection.file + ", document \"" + document.key + "\"";
}

formats::Image read_image(const DocumentReader& reader, const MediaRef& media, const std::string& sample) {
  return with_media(reader, media, sample, [](std::span<const std::byte> bytes, const std::string& where) {
    return formats::decode_image(bytes, where);
  });
}

std::vector<float> read_speech(const DocumentReader& reader, const MediaRef& media,
                               const std::string& sample) {
  return with_media(reader, media, sample, [](std::span<const std::byte> bytes, const std::string& where) {
    return codecs::decode_speech(bytes, where);
  });
}

}  // namespace mom::data
