// What a sound file says about itself, through libsndfile: WAV, FLAC, Ogg.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace mom::formats {

struct SoundInfo {
  int64_t rate_hz = 0, channels = 0, num_frames = 0;
};

// InputError beginning with `where` when the bytes are no sound, hold none, or end before what the header
// promises.
SoundInfo read_sound_info(std::span<const std::byte> bytes, std::string_view where);

}  // namespace mom::formats
