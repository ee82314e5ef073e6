// waveform_of() of mel.h: mel bands -> magnitudes -> phases -> samples. F frames, K bins, B bands.
#include <torch/fft.h>
#include <torch/types.h>

#include <algorithm>
#include <numbers>

#include "mom/base/random.h"
#include "mom/base/rounding.h"
#include "mom/codecs/each_alone.h"
#include "mom/codecs/mel.h"

namespace mom::codecs {
namespace {

constexpr int64_t kSpectrumBins = kMelWindow / 2 + 1, kHops = kMelWindow / kMelHop;
constexpr int64_t kPieceFrames = 3'000, kFadeFrames = 20;  // 30 s at once, fading over 0.2 s
constexpr int64_t kMagnitudeUpdates = 30;
constexpr double kMomentum = 0.99;  // Perraudin et al. found values just below 1 best

// Sums windows that overlap by hops: [F, kMelWindow] -> [(F + kHops - 1) * kMelHop].
at::Tensor overlap_add(const at::Tensor& windows_FW) {
  const int64_t F = windows_FW.size(0);
  at::Tensor sum = torch::zeros({F + kHops - 1, kMelHop});
  for (int64_t hop = 0; hop < kHops; ++hop)
    sum.slice(0, hop, hop + F).add_(windows_FW.slice(1, hop * kMelHop, (hop + 1) * kMelHop));
  return sum.flatten();
}

// The short-time Fourier transform of F frames and its least-squares inverse (Griffin & Lim 1984).
class Transform {
 public:
  explicit Transform(int64_t F)
      : F_(F),
        window_(torch::hann_window(kMelWindow, /*periodic=*/true)),
        weight_(overlap_add(window_.square().expand({F, kMelWindow})).clamp_min_(1e-4)) {}

  at::Tensor inverse(const at::Tensor& spectrum_FK) const {
    return overlap_add(torch::fft::irfft(spectrum_FK, kMelWindow) * window_) / weight_;
  }
  at::Tensor forward(const at::Tensor& samples) const {
    return torch::fft::rfft(samples.as_strided({F_, kMelWindow}, {kMelHop, 1}) * window_);
  }

 private:
  int64_t F_;
  at::Tensor window_, weight_;
};

// Non-negative magnitudes [F, K] whose mel bands come close to mel_FB.
at::Tensor magnitudes_of(const at::Tensor& mel_FB) {
  static const at::Tensor filters_KB = mel_filters_KB();
  const at::Tensor target_FK = mel_FB.matmul(filters_KB.t());
  at::Tensor magnitude_FK = target_FK.clone();
  for (int64_t i = 0; i < kMagnitudeUpdates; ++i)
    magnitude_FK.mul_(target_FK / magnitude_FK.matmul(filters_KB).matmul(filters_KB.t()).clamp_min_(1e-8));
  return magnitude_FK;
}

at::Tensor first_phases(int64_t first_frame, int64_t F) {
  at::Tensor angle = torch::empty({F, kSpectrumBins});
  auto values = angle.accessor<float, 2>();
  for (int64_t f = 0; f < F; ++f) {
    RandomStream random(stream_key({fnv1a64("griffin-lim phase"), static_cast<uint64_t>(first_frame + f)}));
    for (int64_t k = 0; k < kSpectrumBins; ++k)
      values[f][k] = static_cast<float>(2 * std::numbers::pi * random.uniform());
  }
  return torch::polar(torch::ones_like(angle), angle);
}

// Samples [F * kMelHop].
at::Tensor piece_of(const at::Tensor& log_mel_FB, int64_t first_frame, int64_t iterations) {
  const int64_t F = log_mel_FB.size(0);
  const at::Tensor magnitude_FK = magnitudes_of(log_mel_FB.exp());
  const Transform transform(F);
  at::Tensor phase_FK = first_phases(first_frame, F), before_FK;
  for (int64_t i = 0; i < iterations; ++i) {
    const at::Tensor rebuilt_FK = transform.forward(transform.inverse(magnitude_FK * phase_FK));
    phase_FK = before_FK.defined() ? rebuilt_FK - kMomentum / (1 + kMomentum) * before_FK : rebuilt_FK;
    phase_FK = phase_FK / phase_FK.abs().clamp_min_(1e-8);
    before_FK = rebuilt_FK;
  }
  return transform.inverse(magnitude_FK * phase_FK).slice(0, kMelWindow / 2, kMelWindow / 2 + F * kMelHop);
}

}  // namespace

std::vector<float> waveform_of(const at::Tensor& log_mel_FB, int64_t iterations) {
  const int64_t F = log_mel_FB.size(0), num_pieces = ceil_div(F, kPieceFrames);
  std::vector<float> samples(static_cast<size_t>(F * kMelHop));
  std::vector<at::Tensor> pieces(static_cast<size_t>(num_pieces));
  for_each_alone(num_pieces, [&](int64_t i) {
    const int64_t begin = std::max<int64_t>(0, i * kPieceFrames - kFadeFrames);
    pieces[static_cast<size_t>(i)] =
        piece_of(log_mel_FB.slice(0, begin, (i + 1) * kPieceFrames), begin, iterations);
  });
  int64_t end = 0;  // of what is there
  for (const at::Tensor& piece : pieces) {
    const int64_t fade = end == 0 ? 0 : kFadeFrames * kMelHop, begin = end - fade;
    const float* from = piece.const_data_ptr<float>();
    for (int64_t i = 0; i < piece.numel(); ++i) {
      float& sample = samples[static_cast<size_t>(begin + i)];
      const float share = i < fade ? static_cast<float>(i) / static_cast<float>(fade) : 1;
      sample = (1 - share) * sample + share * from[i];
    }
    end = begin + piece.numel();
  }
  return samples;
}

}  // namespace mom::codecs
