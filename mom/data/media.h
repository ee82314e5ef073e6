// The media of documents: reading them, and naming the sample in errors.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "mom/base/error.h"
#include "mom/data/document.h"
#include "mom/formats/image_file.h"

namespace mom::data {

// "train-noto.jsonl, document \"1F34E\"": how errors name a sample.
std::string sample_name(const Collection& collection, const Document& document);

// What `read(bytes, where)` makes of a segment's media; its InputErrors name `sample`.
template <class Read>
auto with_media(const DocumentReader& reader, const MediaRef& media, const std::string& sample,
                const Read& read) {
  try {
    const std::string bytes = reader.read_media(media);
    return read(std::as_bytes(std::span(bytes)), media.file + " at byte " + std::to_string(media.offset));
  } catch (const InputError& error) {
    throw InputError(sample + ": " + error.what());
  }
}

formats::Image read_image(const DocumentReader& reader, const MediaRef& media, const std::string& sample);
// 16 kHz mono. At most an hour (SoundLimits).
std::vector<float> read_speech(const DocumentReader& reader, const MediaRef& media,
                               const std::string& sample);

}  // namespace mom::data
