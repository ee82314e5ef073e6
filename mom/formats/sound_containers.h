// What libsndfile does not report about a sound file. Internal to mom/formats.
#pragma once

#include <cstddef>
#include <span>

namespace mom::formats {

enum class SoundKind { kWav, kFlac, kOgg, kMp3, kOther };

// By the first bytes, not by a name.
SoundKind sound_kind(std::span<const std::byte> bytes);

// libsndfile makes the length of a cut WAV fit, and plays an Ogg to wherever it ends: true when the container
// itself says that more should follow. Never reads outside `bytes`.
bool is_cut(SoundKind kind, std::span<const std::byte> bytes);

}  // namespace mom::formats
