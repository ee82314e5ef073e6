// What codecs encode and decode to: text, images and sounds, and the files that hold them.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "mom/formats/image_file.h"

namespace mom::codecs {

enum class MediaKind { kText, kImage, kSound };

// UTF-8 text (as far as a codec can promise it), RGB pixels, or samples of 16 kHz mono.
using Media = std::variant<std::string, formats::Image, std::vector<float>>;  // by MediaKind

const char* file_ending(MediaKind kind);  // ".txt", ".png", ".wav"
std::string to_file(const Media& media);  // the bytes of such a file
const char* noun(MediaKind kind);         // for people: "text", "image", "recording"

}  // namespace mom::codecs
