#include "mom/formats/sound_containers.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "mom/formats/magic.h"

namespace mom::formats {
namespace {

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

size_t id3_tag_bytes(Bytes bytes) {
  constexpr size_t kTagHeader = 10;
  if (!has_at(bytes, 0, "ID3") || bytes.size() < kTagHeader) return 0;
  size_t size = 0;  // four times 7 bits
  for (size_t i = 6; i < kTagHeader; ++i) size = size << 7 | (byte_at(bytes, i) & 0x7F);
  return std::min(bytes.size(), kTagHeader + size);
}

Bytes without_lead(Bytes bytes) {
  Bytes rest = bytes;
  while (const size_t tag = id3_tag_bytes(rest)) rest = rest.subspan(tag);
  const auto first =
      std::find_if(rest.begin(), rest.end(), [](std::byte byte) { return byte != std::byte{0}; });
  rest = rest.subspan(static_cast<size_t>(first - rest.begin()));
  return is_mp3_frame(rest) || has_at(rest, 0, "fLaC") || sound_kind(rest) == SoundKind::kWav ? rest : bytes;
}

namespace {

// Ogg: pages of a header, a table of segment sizes and the segments (RFC 3533); the last page says that it is.
struct OggPages {
  bool cut = true, joined = false;
};

OggPages read_ogg_pages(Bytes bytes) {
  constexpr size_t kHeader = 27;
  constexpr uint32_t kFirst = 0x02, kLast = 0x04;
  OggPages pages;
  for (size_t at = 0; at < bytes.size();) {
    if (!has_at(bytes, at, "OggS")) return pages;  // other bytes after the end are not checked
    if (at + kHeader > bytes.size()) return {true, pages.joined};
    const size_t num_segments = byte_at(bytes, at + 26);
    size_t end = at + kHeader + num_segments;
    if (end > bytes.size()) return {true, pages.joined};
    for (size_t i = 0; i < num_segments; ++i) end += byte_at(bytes, at + kHeader + i);
    if (end > bytes.size()) return {true, pages.joined};
    const uint32_t flags = byte_at(bytes, at + 5);
    pages.joined |= !pages.cut && (flags & kFirst) != 0;
    pages.cut = (flags & kLast) == 0;
    at = end;
  }
  return pages;
}

}  // namespace

bool is_cut_ogg(Bytes bytes) { return read_ogg_pages(bytes).cut; }

bool is_joined_ogg(Bytes bytes) { return read_ogg_pages(bytes).joined; }

}  // namespace mom::formats
