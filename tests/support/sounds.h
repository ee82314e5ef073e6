// Sound files of any kind for tests, as other programs write them.
#pragma once

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace mom::test {

// `channels` copies of a sine, interleaved.
inline std::vector<float> sine(double frequency_hz, int64_t rate_hz, int64_t num_frames,
                               double amplitude = 0.5, int64_t channels = 1) {
  std::vector<float> samples;
  samples.reserve(static_cast<size_t>(num_frames * channels));
  for (int64_t i = 0; i < num_frames; ++i) {
    const double angle =
        2 * std::numbers::pi * frequency_hz * static_cast<double>(i) / static_cast<double>(rate_hz);
    samples.insert(samples.end(), static_cast<size_t>(channels),
                   static_cast<float>(amplitude * std::sin(angle)));
  }
  return samples;
}

// `format`: libsndfile's, e.g. SF_FORMAT_WAV | SF_FORMAT_PCM_24.
inline std::string sound_file(int format, int rate_hz, int channels, const std::vector<float>& samples) {
  struct Memory {
    std::string bytes;
    sf_count_t position = 0;
  } memory;
  SF_VIRTUAL_IO callbacks{
      [](void* user) { return static_cast<sf_count_t>(static_cast<Memory*>(user)->bytes.size()); },
      [](sf_count_t offset, int whence, void* user) {
        auto* m = static_cast<Memory*>(user);
        const auto size = static_cast<sf_count_t>(m->bytes.size());
        return m->position = offset + (whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->position : size);
      },
      [](void* target, sf_count_t count, void* user) {
        auto* m = static_cast<Memory*>(user);
        count = std::min(count, static_cast<sf_count_t>(m->bytes.size()) - m->position);
        std::memcpy(target, m->bytes.data() + m->position, static_cast<size_t>(count));
        m->position += count;
        return count;
      },
      [](const void* data, sf_count_t count, void* user) {
        auto* m = static_cast<Memory*>(user);
        const auto end = static_cast<size_t>(m->position + count);
        if (m->bytes.size() < end) m->bytes.resize(end);
        std::memcpy(m->bytes.data() + m->position, data, static_cast<size_t>(count));
        m->position += count;
        return count;
      },
      [](void* user) { return static_cast<Memory*>(user)->position; }};
  SF_INFO info{};
  info.samplerate = rate_hz;
  info.channels = channels;
  info.format = format;
  SNDFILE* file = sf_open_virtual(&callbacks, SFM_WRITE, &info, &memory);
  if (file == nullptr) throw std::runtime_error(std::string("sound_file: ") + sf_strerror(nullptr));
  // Blocks: libsndfile 1.2's Vorbis writer keeps a whole write on the stack.
  const auto num_frames = static_cast<sf_count_t>(samples.size()) / channels;
  for (sf_count_t at = 0; at < num_frames; at += 1024)
    sf_writef_float(file, samples.data() + at * channels, std::min<sf_count_t>(1024, num_frames - at));
  sf_close(file);
  return memory.bytes;
}

}  // namespace mom::test
