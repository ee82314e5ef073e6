// What codecs encode and decode to: text, images, sounds and, of codecs from outside, arrays of codes or latents; and the
// files that hold them.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "mom/formats/image_file.h"
#include "mom/formats/npy.h"

namespace mom::codecs {

enum class MediaKind { kText, kImage, kSound, kArray };

// UTF-8 text (as far as a codec can promise it), RGB pixels, samples of 16 kHz mono, or an array.
using Media = std::variant<std::string, formats::Image, std::vector<float>, formats::Npy>;  // by MediaKind

const char* file_ending(MediaKind kind);  // ".txt", ".png", ".wav", ".npy"
std::string to_file(const Media& media);  // the bytes of such a file
const char* noun(MediaKind kind);         // for people: "text", "image", "recording", "array"

}  // namespace mom::codecs
