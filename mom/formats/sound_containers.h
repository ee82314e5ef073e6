// What libsndfile does not report about a sound file. Internal to mom/formats.
#pragma once

#include <cstddef>
#include <span>

namespace mom::formats {

enum class SoundKind { kWav, kFlac, kOgg, kMp3, kOther };

// By the first bytes, not by a name.
SoundKind sound_kind(std::span<const std::byte> bytes);

// Length of an ID3 tag (version 2) at the beginning; 0 where there is none.
size_t id3_tag_bytes(std::span<const std::byte> bytes);

// Without what may precede MP3, FLAC and WAV: ID3 tags, and zeros (also those that a tag does not count).
std::span<const std::byte> without_lead(std::span<const std::byte> bytes);

// libsndfile plays an Ogg to wherever it ends: true when the container itself says that more should follow. Never reads
// outside `bytes`. (For WAV see wav_header.h.)
bool is_cut_ogg(std::span<const std::byte> bytes);
// Whether another Ogg follows behind the end of the first, which is all that libsndfile plays.
bool is_joined_ogg(std::span<const std::byte> bytes);

}  // namespace mom::formats
