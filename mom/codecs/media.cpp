#include "mom/codecs/media.h"

#include "mom/codecs/mel.h"
#include "mom/formats/sound_file.h"

namespace mom::codecs {

const char* file_ending(MediaKind kind) {
  constexpr const char* kEndings[] = {".txt", ".png", ".wav", ".npy"};
  return kEndings[static_cast<size_t>(kind)];
}

const char* noun(MediaKind kind) {
  constexpr const char* kNouns[] = {"text", "image", "recording", "array"};
  return kNouns[static_cast<size_t>(kind)];
}

std::string to_file(const Media& media) {
  if (const auto* image = std::get_if<formats::Image>(&media)) return formats::encode_png(*image);
  if (const auto* samples = std::get_if<std::vector<float>>(&media))
    return formats::encode_wav(*samples, kSpeechRateHz);
  if (const auto* array = std::get_if<formats::Npy>(&media)) return formats::write_npy(*array);
  return std::get<std::string>(media);
}

}  // namespace mom::codecs
