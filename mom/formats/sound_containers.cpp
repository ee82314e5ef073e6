#include "mom/formats/sound_containers.h"

#include <cstdint>
#include <string_view>

#include "mom/formats/magic.h"

namespace mom::formats {
namespace {

uint32_t byte_at(Bytes bytes, size_t at) { return std::to_integer<uint32_t>(bytes[at]); }

uint32_t little_endian_32(Bytes bytes, size_t at) {
  return byte_at(bytes, at) | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2) << 16 |
         byte_at(bytes, at + 3) << 24;
}

// A frame header of MPEG audio, or the tag that often precedes the first one.
bool is_mp3(Bytes bytes) {
  if (has_at(bytes, 0, "ID3")) return true;
  if (bytes.size() < 4 || byte_at(bytes, 0) != 0xFF) return false;
  const uint32_t second = byte_at(bytes, 1), third = byte_at(bytes, 2);
  const bool sync = (second & 0xE0) == 0xE0, version = (second & 0x18) != 0x08, layer = (second & 0x06) != 0;
  return sync && version && layer && (third & 0xF0) != 0xF0 && (third & 0x0C) != 0x0C;
}

// RIFF: chunks of a name, a size and as many bytes, padded to even.
bool is_cut_wav(Bytes bytes) {
  constexpr uint32_t kStream = 0xFFFFFFFFu;  // a size that was not known when the header was written
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const uint32_t promised = little_endian_32(bytes, at + 4);
    if (has_at(bytes, at, "data")) return promised != kStream && promised > bytes.size() - at - 8;
    at += 8 + size_t{promised} + (promised & 1);
  }
  return false;
}

// Ogg: pages of a header, a table of segment sizes and the segments (RFC 3533); the last page says that it is.
bool is_cut_ogg(Bytes bytes) {
  constexpr size_t kHeader = 27;
  bool ended = false;
  for (size_t at = 0; at < bytes.size();) {
    if (!has_at(bytes, at, "OggS")) return !ended;  // other bytes after the end are not checked
    if (at + kHeader > bytes.size()) return true;
    const size_t num_segments = byte_at(bytes, at + 26);
    size_t end = at + kHeader + num_segments;
    if (end > bytes.size()) return true;
    for (size_t i = 0; i < num_segments; ++i) end += byte_at(bytes, at + kHeader + i);
    if (end > bytes.size()) return true;
    ended = (byte_at(bytes, at + 5) & 0x04) != 0;
    at = end;
  }
  return !ended;
}

}  // namespace

SoundKind sound_kind(Bytes bytes) {
  if (has_at(bytes, 0, "RIFF") && has_at(bytes, 8, "WAVE")) return SoundKind::kWav;
  if (has_at(bytes, 0, "fLaC")) return SoundKind::kFlac;
  if (has_at(bytes, 0, "OggS")) return SoundKind::kOgg;
  return is_mp3(bytes) ? SoundKind::kMp3 : SoundKind::kOther;
}

bool is_cut(SoundKind kind, Bytes bytes) {
  if (kind == SoundKind::kWav) return is_cut_wav(bytes);
  return kind == SoundKind::kOgg && is_cut_ogg(bytes);
}

}  // namespace mom::formats
