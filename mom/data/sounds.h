// How a sound of a document becomes what a speech codec takes: 16 kHz mono.
#pragma once

#include <string>
#include <vector>

#include "mom/data/document.h"

namespace mom::data {

// Reads, decodes, mixes down and resamples a segment's sound; InputError names `sample`. At most an hour (SoundLimits).
std::vector<float> read_speech(const DocumentReader& reader, const MediaRef& media,
                               const std::string& sample);

// Sounds of one split in a fixed drawn order until they are max_seconds long together; the same for the same documents.
std::vector<std::vector<float>> sample_speech(const DocumentReader& reader, const std::string& split,
                                              double max_seconds);

}  // namespace mom::data
