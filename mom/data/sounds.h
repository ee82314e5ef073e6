// Sounds of documents to train a speech codec on: 16 kHz mono.
#pragma once

#include <string>
#include <vector>

#include "mom/data/document.h"

namespace mom::data {

// Sounds of one split in a fixed drawn order until they are max_seconds long together; the same for the same documents.
std::vector<std::vector<float>> sample_speech(const DocumentReader& reader, const std::string& split,
                                              double max_seconds);

}  // namespace mom::data
