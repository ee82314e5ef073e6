#include "mom/formats/sound_containers.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "mom/formats/magic.h"

namespace mom::formats {
namespace {

uint32_t byte_at(Bytes bytes, size_t at) { return std::to_integer<uint32_t>(bytes[at]); }

// A frame header of MPEG audio.
bool is_mp3_frame(Bytes bytes) {
  if (bytes.size() < 4 || byte_at(bytes, 0) != 0xFF) return false;
  const uint32_t second = byte_at(bytes, 1), third = byte_at(bytes, 2);
  const bool sync = (second & 0xE0) == 0xE0, version = (second & 0x18) != 0x08, layer = (second & 0x06) != 0;
  return sync && version && layer && (third & 0xF0) != 0xF0 && (third & 0x0C) != 0x0C;
}

}  // namespace

SoundKind sound_kind(Bytes bytes) {
  if ((has_at(bytes, 0, "RIFF") || has_at(bytes, 0, "RF64")) && has_at(bytes, 8, "WAVE"))
    return SoundKind::kWav;
  if (has_at(bytes, 0, "fLaC")) return SoundKind::kFlac;
  if (has_at(bytes, 0, "OggS")) return SoundKind::kOgg;
  return is_mp3_frame(bytes) || has_at(bytes, 0, "ID3") ? SoundKind::kMp3 : SoundKind::kOther;
}

Bytes without_lead(Bytes bytes) {
  Bytes rest = bytes;
  constexpr size_t kTagHeader = 10;
  while (has_at(rest, 0, "ID3") && rest.size() >= kTagHeader) {
    size_t size = 0;  // four times 7 bits
    for (size_t i = 6; i < kTagHeader; ++i) size = size << 7 | (byte_at(rest, i) & 0x7F);
    rest = rest.subspan(std::min(rest.size(), kTagHeader + size));
  }
  const auto first =
      std::find_if(rest.begin(), rest.end(), [](std::byte byte) { return byte != std::byte{0}; });
  rest = rest.subspan(static_cast<size_t>(first - rest.begin()));
  return is_mp3_frame(rest) || has_at(rest, 0, "fLaC") ? rest : bytes;
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

}  // namespace mom::formats
