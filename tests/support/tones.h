// Sounds for tests of speech code: a voice-like buzz whose pitch and colour change a few times a second.
#pragma once

#include <cmath>
#include <vector>

#include "mom/base/random.h"

namespace mom::test {

inline std::vector<float> babble(double seconds, uint64_t seed, int64_t rate_hz = 16'000) {
  RandomStream random(stream_key({fnv1a64("babble"), seed}));
  std::vector<float> samples;
  const auto total = static_cast<size_t>(seconds * static_cast<double>(rate_hz));
  double phase = 0;
  while (samples.size() < total) {
    const double pitch_hz = 100 + 120 * random.uniform(), colour_hz = 400 + 2500 * random.uniform();
    const double loudness = random.uniform() < 0.2 ? 0 : 0.2 + 0.3 * random.uniform();
    const size_t end =
        samples.size() + static_cast<size_t>(static_cast<double>(rate_hz) * (0.08 + 0.2 * random.uniform()));
    for (; samples.size() < std::min(end, total); phase += pitch_hz / static_cast<double>(rate_hz)) {
      double value = 0.01 * (random.uniform() - 0.5);
      for (int harmonic = 1; harmonic <= 20; ++harmonic) {
        const double distance = (harmonic * pitch_hz - colour_hz) / 500;
        value += loudness * std::exp(-distance * distance) * std::sin(6.283185307179586 * harmonic * phase);
      }
      samples.push_back(static_cast<float>(0.5 * value));
    }
  }
  return samples;
}

}  // namespace mom::test
