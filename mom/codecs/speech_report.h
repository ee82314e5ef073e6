// The listening folder of a speech codec: originals beside what comes back.
#pragma once

#include <span>
#include <vector>

#include "mom/codecs/speech_codec.h"

namespace mom::codecs {

// Makes `folder` with NN-original.wav and NN-decoded.wav of at most twelve sounds (both at the codec's
// loudness), index.html with a player for each, and mel.png: the log-mel of the first, above that of what comes back.
void write_listening_folder(const SpeechCodec& codec, std::span<const std::vector<float>> sounds,
                            const Path& folder);

}  // namespace mom::codecs
