// Log-mel spectrograms of 16 kHz speech, and back to a waveform.
// F frames, K frequency bins (321), B mel bands (80).
//
// As librosa defines it, with n_fft = win_length = 640, hop_length = 160, window "hann" (periodic), center = True with
// zeros outside the sound, power = 1, Slaney's mel scale and norm (htk = False, norm = "slaney"), fmin 0, fmax 8000:
//   frame i is centred at sample 160 i
//   mel[i, b] = sum_k |STFT[i, k]| * filter[k, b];   log_mel = ln(max(mel, kMelFloor))
// Samples are in [-1, 1]; log_mel is in nats of magnitude (1 nat = 8.69 dB).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace mom::codecs {

inline constexpr int64_t kSpeechRateHz = 16'000;
// Samples: 100 frames per second, and each window is four hops.
inline constexpr int64_t kMelWindow = 640, kMelHop = 160;
inline constexpr int64_t kMelBands = 80;
inline constexpr double kMelFloor = 1e-3;  // the loudest bands of speech reach about 4: 72 dB above

// f32 [K, B]: triangles of unit area (in Hz).
at::Tensor mel_filters_KB();

// Frames first ... first + count - 1 of the samples times `gain`, f32 [count, B]. Frames may lie before and
// after the sound, where it is silent.
at::Tensor log_mel_FB(std::span<const float> samples, int64_t first, int64_t count, double gain = 1);

// The sound whose log-mel this is, as well as can be: 160 samples per frame, frame i centred at sample 160 i.
// Magnitudes by multiplicative updates for non-negative least squares (Lee & Seung 2001); phases by the fast
// Griffin-Lim algorithm (Perraudin, Balazs, Søndergaard 2013) from phases that are a fixed function of the
// frame's number. Long sounds are made in pieces that fade into each other, each by one thread.
std::vector<float> waveform_of(const at::Tensor& log_mel_FB, int64_t iterations);

}  // namespace mom::codecs
