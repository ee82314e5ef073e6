// Recorded sound through libsndfile: WAV (also extensible and RF64; PCM of 8 to 32 bits, float, the usual compressed ones),
// FLAC, Ogg (Vorbis, Opus, FLAC) and MP3, each also behind ID3 tags. Files are untrusted: the header is checked against
// limits before any sample is read, and memory grows with the data that exists, not with what the header claims.
//
// A length that a WAV's header does not know is the rest of the file (wav_header.h). Refused by name: a length that the
// file does not have, rates and channels beyond the limits, frames that do not fit their samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mom::formats {

struct SoundLimits {
  int64_t max_seconds = 3600;
  int64_t max_channels = 8;
  int64_t min_rate_hz = 1000, max_rate_hz = 384'000;
  int64_t max_samples = int64_t{1} << 29;  // of all channels: 2 GiB as float
};

struct SoundInfo {
  int64_t rate_hz = 0, channels = 0, num_frames = 0;
  double seconds() const { return static_cast<double>(num_frames) / static_cast<double>(rate_hz); }
};

// Full scale is 1; recordings as float may go a little beyond it.
struct Sound {
  int64_t rate_hz = 0, channels = 0;
  std::vector<float> samples;  // interleaved
  int64_t num_frames() const { return channels == 0 ? 0 : static_cast<int64_t>(samples.size()) / channels; }
};

// Both read every sample and throw the same InputError, beginning with `where`, when the bytes are of another
// kind, hold no sound, end before what the header promises, are beyond the limits, or hold samples that are
// not finite or far beyond full scale (integers written as float).
SoundInfo read_sound_info(std::span<const std::byte> bytes, std::string_view where,
                          const SoundLimits& limits = {});
Sound decode_sound(std::span<const std::byte> bytes, std::string_view where, const SoundLimits& limits = {});

// 16-bit PCM, one channel; samples beyond full scale are clipped. What decode_sound gave of a 16-bit file
// comes back bit for bit.
std::string encode_wav(std::span<const float> samples, int64_t rate_hz);

}  // namespace mom::formats
