// The header of a WAV file, which libsndfile trusts too far. Internal to mom/formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace mom::formats {

// A 32-bit number of the file, little-endian, that is to be read as another.
struct Correction {
  size_t at = 0;
  uint32_t value = 0;
};

struct WavHeader {
  uint32_t format = 0;  // 1: PCM, 3: float, others: see RFC 2361; of the sub-format where it is "extensible"
  uint32_t channels = 0, rate_hz = 0, frame_bytes = 0, bits = 0;

  // Programs that stream write the header before they know the length. Lengths of 0, and those around 2^31 and 2^32
  // that are used for "unknown", mean: to the end of the file. A length that lacks less than one frame is
  // corrected as well. `corrections` makes libsndfile read what is there.
  std::vector<Correction> corrections;
  bool is_cut = false;  // a length is promised that the file does not have

  // PCM and float: channels of whole bytes fill the frame. libsndfile looks at `bits` alone and would read noise.
  bool frames_fit() const;
};

// Nothing where there is no fmt chunk before a data chunk: libsndfile knows what is wrong. Never reads outside `bytes`.
std::optional<WavHeader> read_wav_header(std::span<const std::byte> bytes);

}  // namespace mom::formats
