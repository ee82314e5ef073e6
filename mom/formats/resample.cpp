#include "mom/formats/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "mom/base/error.h"
#include "mom/base/rounding.h"

namespace mom::formats {
namespace {

constexpr int64_t kMaxRatio = 256;
// Kaiser's formulas (Oppenheim & Schafer, Discrete-Time Signal Processing, "FIR filter design by the Kaiser
// window method"): 6 dB better than stated in the header, over 0.2 of half the lower rate.
constexpr double kAttenuationDb = 86, kTransition = 0.2;
constexpr int64_t kLanes = 8;  // partial sums of a product, so that it is not one long chain of additions

// The modified Bessel function of the first kind and order 0, by its power series.
double bessel_i0(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > 1e-17 * sum; ++k) {
    term *= (x / 2 / k) * (x / 2 / k);
    sum += term;
  }
  return sum;
}

// Output i lies at input position i * down / up; its phase is the remainder, which repeats after `up` outputs.
struct Filter {
  int64_t up = 1, down = 1;
  int64_t half = 0;            // taps to each side of an output's place
  int64_t num_taps = 0;        // a multiple of kLanes; those after 2 * half are zero
  std::vector<float> taps_PK;  // one row per phase; tap k belongs to input floor(position) - half + 1 + k

  int64_t num_phases() const { return static_cast<int64_t>(taps_PK.size()) / num_taps; }
};

// One row: the windowed sinc around an output that lies `fraction` behind an input sample; the row sums to 1.
void fill_row(float* row, const Filter& filter, double fraction, double cutoff) {
  static const double beta = 0.1102 * (kAttenuationDb - 8.7);
  const double window_scale = 1 / bessel_i0(beta);
  std::vector<double> values(static_cast<size_t>(2 * filter.half));
  double sum = 0;
  for (size_t k = 0; k < values.size(); ++k) {
    const double distance = static_cast<double>(static_cast<int64_t>(k) - filter.half + 1) - fraction;
    const double share = distance / static_cast<double>(filter.half);
    if (std::abs(share) >= 1) continue;
    const double angle = std::numbers::pi * cutoff * distance;
    const double sinc = angle == 0 ? 1 : std::sin(angle) / angle;
    values[k] = sinc * bessel_i0(beta * std::sqrt(1 - share * share)) * window_scale;
    sum += values[k];
  }
  for (size_t k = 0; k < values.size(); ++k) row[k] = static_cast<float>(values[k] / sum);
}

Filter make_filter(int64_t from_hz, int64_t to_hz, int64_t num_outputs) {
  const int64_t divisor = std::gcd(from_hz, to_hz);
  Filter filter{.up = to_hz / divisor, .down = from_hz / divisor, .taps_PK = {}};
  // Half the lower rate as a fraction of half the input's.
  const double cutoff = std::min(1.0, static_cast<double>(to_hz) / static_cast<double>(from_hz));
  const double width = (kAttenuationDb - 8) / (2.285 * std::numbers::pi * kTransition * cutoff);
  filter.half = static_cast<int64_t>(std::ceil(width / 2)) + 1;
  filter.num_taps = round_up(2 * filter.half, kLanes);
  const int64_t num_phases = std::min(filter.up, num_outputs);  // rates without a common divisor have many
  filter.taps_PK.resize(static_cast<size_t>(num_phases * filter.num_taps));
  for (int64_t i = 0; i < num_phases; ++i)
    fill_row(filter.taps_PK.data() + i * filter.num_taps, filter,
             static_cast<double>(i * filter.down % filter.up) / static_cast<double>(filter.up), cutoff);
  return filter;
}

float product(const float* a, const float* b, int64_t count) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < count; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] += a[i + j] * b[i + j];
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

int64_t resampled_length(int64_t count, int64_t from_hz, int64_t to_hz) {
  const __int128 rounded = (static_cast<__int128>(count) * to_hz * 2 + from_hz) / (from_hz * 2);
  return std::max<int64_t>(static_cast<int64_t>(rounded), 1);
}

}  // namespace

std::vector<float> to_mono(const Sound& sound) {
  if (sound.channels == 1) return sound.samples;
  std::vector<float> mono(static_cast<size_t>(sound.num_frames()));
  const float share = 1.0f / static_cast<float>(sound.channels);
  const float* sample = sound.samples.data();
  for (float& sum : mono) {
    for (int64_t channel = 0; channel < sound.channels; ++channel) sum += *sample++;
    sum *= share;
  }
  return mono;
}

std::vector<float> resample(std::span<const float> samples, int64_t from_hz, int64_t to_hz) {
  if (from_hz < 1 || to_hz < 1 || from_hz > to_hz * kMaxRatio || to_hz > from_hz * kMaxRatio)
    throw UserError({"resampling", "rates above 0 that differ by at most 256 times",
                     std::to_string(from_hz) + " Hz to " + std::to_string(to_hz) + " Hz", ""});
  if (from_hz == to_hz || samples.empty()) return {samples.begin(), samples.end()};
  const auto count = static_cast<int64_t>(samples.size());
  std::vector<float> result(static_cast<size_t>(resampled_length(count, from_hz, to_hz)));
  const auto num_outputs = static_cast<int64_t>(result.size());
  const Filter filter = make_filter(from_hz, to_hz, num_outputs);
  // Silence on both sides, so that every output has all its taps.
  std::vector<float> padded(static_cast<size_t>(filter.half + count + filter.num_taps + 1));
  std::copy(samples.begin(), samples.end(), padded.begin() + filter.half);
  int64_t whole = 0, remainder = 0;  // the place of output i: whole + remainder / up
  for (int64_t i = 0; i < num_outputs; ++i) {
    const float* taps = filter.taps_PK.data() + i % filter.num_phases() * filter.num_taps;
    // Input floor(position) - half + 1 stands in `padded` half places later.
    result[static_cast<size_t>(i)] = product(taps, padded.data() + whole + 1, filter.num_taps);
    remainder += filter.down;
    whole += remainder / filter.up;
    remainder %= filter.up;
  }
  return result;
}

}  // namespace mom::formats
