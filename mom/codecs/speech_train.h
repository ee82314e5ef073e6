// Trains a speech codec on sounds held in memory.
#pragma once

#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/codecs/speech_codec.h"

namespace mom::codecs {

struct SpeechSounds {
  std::vector<std::vector<float>> train, validation;  // 16 kHz mono; validation may be empty
};

// Writes a codec folder at `out` (whole or not at all) with report/ (index.html to listen, WAV, mel.png), and
// returns its report. Errors are over frames and bands of log-mel, in nats of magnitude, of the codec's own rendering:
//   {"train_seconds", "validation_seconds", "validation_mel_l1", "validation_mel_mse",
//    "codes_used_share", "code_perplexity", "mean_run_length": of codes over the training speech}
// The same input, seed and number of threads give the same bits. DivergedError: the loss is not finite.
Json train_speech_codec(const SpeechConfig& config, SpeechSounds sounds, const Path& out, bool replace);

}  // namespace mom::codecs
