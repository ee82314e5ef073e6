// Resampling from any rate and number of channels to what a codec takes: a polyphase filter, a sinc with a Kaiser window.
//
// Pass band: to 0.9 of half the lower rate, flat to 1e-4. Stop band: from 1.1 of it, at most 1e-4
// passes (80 dB). No delay: sample i of the result is the sound at i / to_hz seconds; before and after
// the sound is silence. Own code because libsamplerate converts 44.1 kHz at 82 x real time with -2.1 dB at 0.9,
// or at 16 x without (measured), and soxr links libgomp, a second OpenMP beside LibTorch's own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mom/formats/sound_file.h"

namespace mom::formats {

// The mean of the channels.
std::vector<float> to_mono(const Sound& sound);

// round(n * to_hz / from_hz) samples, at least one of at least one. Equal rates: the samples as they are. The
// same input gives the same bits. UserError for rates more than a factor of 256 apart.
std::vector<float> resample(std::span<const float> samples, int64_t from_hz, int64_t to_hz);

}  // namespace mom::formats
