#include "mom/codecs/mel.h"

#include <torch/fft.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

namespace mom::codecs {
namespace {

constexpr int64_t kBins = kMelWindow / 2 + 1;
constexpr int64_t kBlockFrames = 2'000;  // spectra at once, so that memory stays small

// Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above.
constexpr double kLinearHz = 200.0 / 3, kBreakHz = 1000, kBreakMel = kBreakHz / kLinearHz;
const double kLogStep = std::log(6.4) / 27;

double mel_of_hz(double hz) {
  return hz < kBreakHz ? hz / kLinearHz : kBreakMel + std::log(hz / kBreakHz) / kLogStep;
}

double hz_of_mel(double mel) {
  return mel < kBreakMel ? mel * kLinearHz : kBreakHz * std::exp(kLogStep * (mel - kBreakMel));
}

// The samples under `count` windows, zeros outside the sound: f32 [count, kMelWindow], windows overlap in
// memory.
at::Tensor windows_of(std::span<const float> samples, int64_t first, int64_t count) {
  const int64_t begin = first * kMelHop - kMelWindow / 2, length = (count - 1) * kMelHop + kMelWindow;
  at::Tensor piece = torch::zeros({length});
  const int64_t from = std::clamp<int64_t>(begin, 0, std::ssize(samples));
  const int64_t to = std::clamp<int64_t>(begin + length, from, std::ssize(samples));
  std::copy(samples.begin() + from, samples.begin() + to, piece.mutable_data_ptr<float>() + (from - begin));
  return piece.as_strided({count, kMelWindow}, {kMelHop, 1});
}

}  // namespace

at::Tensor mel_filters_KB() {
  std::vector<double> edges;
  for (int64_t i = 0; i < kMelBands + 2; ++i)
    edges.push_back(hz_of_mel(mel_of_hz(kSpeechRateHz / 2.0) * static_cast<double>(i) / (kMelBands + 1)));
  at::Tensor filters = torch::zeros({kBins, kMelBands});
  auto weight = filters.accessor<float, 2>();
  for (int64_t k = 0; k < kBins; ++k) {
    const double hz = static_cast<double>(k * kSpeechRateHz) / kMelWindow;
    for (size_t b = 0; b < static_cast<size_t>(kMelBands); ++b) {
      const double rise = (hz - edges[b]) / (edges[b + 1] - edges[b]);
      const double fall = (edges[b + 2] - hz) / (edges[b + 2] - edges[b + 1]);
      const double area = (edges[b + 2] - edges[b]) / 2;
      weight[k][static_cast<int64_t>(b)] = static_cast<float>(std::max(0.0, std::min(rise, fall)) / area);
    }
  }
  return filters;
}

at::Tensor log_mel_FB(std::span<const float> samples, int64_t first, int64_t count, double gain) {
  static const at::Tensor hann = torch::hann_window(kMelWindow, /*periodic=*/true);
  static const at::Tensor filters_KB = mel_filters_KB();
  const at::Tensor window = hann * gain;
  std::vector<at::Tensor> blocks = {torch::empty({0, kMelBands})};
  for (int64_t begin = 0; begin < count; begin += kBlockFrames) {
    const at::Tensor windows = windows_of(samples, first + begin, std::min(kBlockFrames, count - begin));
    const at::Tensor magnitude_FK = torch::fft::rfft(windows * window).abs();
    blocks.push_back(magnitude_FK.matmul(filters_KB).clamp_min_(kMelFloor).log_());
  }
  return torch::cat(blocks);
}

}  // namespace mom::codecs
