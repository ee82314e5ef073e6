#include "mom/formats/mp3_frames.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "mom/formats/sound_containers.h"

namespace mom::formats {
namespace {

uint32_t big_endian(Bytes bytes, size_t at) {
  return byte_at(bytes, at) << 24 | byte_at(bytes, at + 1) << 16 | byte_at(bytes, at + 2) << 8 |
         byte_at(bytes, at + 3);
}

void put_big_endian(std::vector<std::byte>& bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::byte>(value >> (24 - 8 * i) & 0xFF);
}

constexpr size_t kFrameHeader = 4;
constexpr uint32_t kKind = 0x1E, kRate = 0x0C;  // of its second byte: version and layer; of its third: rate

// The header of a frame of layer III.
struct Frame {
  size_t num_bytes = 0;  // of the frame; 0: there is none, or one without a stated bit rate
  size_t side_bytes = 0;
  uint32_t kind = 0, rate = 0;
  bool continues(const Frame& other) const { return kind == other.kind && rate == other.rate; }
};

Frame frame_at(Bytes bytes, size_t at) {
  constexpr std::array<uint32_t, 16> kBitrates1 = {0,   32,  40,  48,  56,  64,  80,  96,
                                                   112, 128, 160, 192, 224, 256, 320, 0},
                                     kBitrates2 = {0,  8,  16, 24,  32,  40,  48,  56,
                                                   64, 80, 96, 112, 128, 144, 160, 0};
  constexpr std::array<uint32_t, 4> kRates = {44100, 48000, 32000, 0};
  if (at + kFrameHeader > bytes.size() || byte_at(bytes, at) != 0xFF) return {};
  const uint32_t second = byte_at(bytes, at + 1), third = byte_at(bytes, at + 2),
                 version = second >> 3 & 3;  // 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
  if ((second & 0xE0) != 0xE0 || version == 1 || (second & 0x06) != 0x02) return {};
  const bool first = version == 3, mono = byte_at(bytes, at + 3) >> 6 == 3;
  const uint32_t bits = (first ? kBitrates1 : kBitrates2)[third >> 4] * 1000,
                 rate = kRates[third >> 2 & 3] >> (first          ? 0
                                                   : version == 2 ? 1
                                                                  : 2);
  if (bits == 0 || rate == 0) return {};
  return {(first ? 144 : 72) * bits / rate + (third >> 1 & 1), first ? (mono ? 17U : 32U) : (mono ? 9U : 17U),
          second & kKind, third & kRate};
}

// The end of a tag between or behind frames; `at` where there is none.
size_t after_tag(Bytes bytes, size_t at) {
  constexpr size_t kId3v1 = 128, kApe = 32;
  if (has_at(bytes, at, "TAG")) return at + kId3v1;
  return has_at(bytes, at, "APETAGEX") ? at + kApe : at + id3_tag_bytes(bytes.subspan(at));
}

// The next place where two frames in a row continue `stream`, or one does that ends the file.
size_t next_frame(Bytes bytes, size_t at, const Frame& stream) {
  for (; at < bytes.size(); ++at) {
    const Frame frame = frame_at(bytes, at);
    if (frame.num_bytes == 0 || !frame.continues(stream)) continue;
    const size_t end = at + frame.num_bytes;
    if (end == bytes.size() || frame_at(bytes, end).continues(stream)) return at;
  }
  return bytes.size();
}

struct Counted {
  uint32_t frames = 0;
  bool of_two_kinds = false;
};

// From a frame at the beginning; one that is cut is not counted.
Counted count(Bytes bytes, const Frame& stream) {
  Counted counted;
  for (size_t at = 0; at < bytes.size();) {
    const Frame frame = frame_at(bytes, at);
    if (frame.num_bytes > 0 && frame.continues(stream)) {
      at += frame.num_bytes;
      counted.frames += at <= bytes.size() ? 1 : 0;
    } else if (frame.num_bytes > 0 && frame_at(bytes, at + frame.num_bytes).continues(frame)) {
      return {counted.frames, true};
    } else {
      const size_t end = after_tag(bytes, at);
      at = end > at ? end : next_frame(bytes, at, stream);
    }
  }
  return counted;
}

// Where the first frame, which then has no sound, says how many follow; 0: nowhere.
size_t place_of_count(Bytes bytes, const Frame& first) {
  const size_t header = kFrameHeader + first.side_bytes;
  size_t place = 0;
  if ((has_at(bytes, header, "Xing") || has_at(bytes, header, "Info")) && header + 8 <= bytes.size())
    place = (big_endian(bytes, header + 4) & 1) != 0 ? header + 8 : 0;
  else if (has_at(bytes, kFrameHeader + 32, "VBRI"))
    place = kFrameHeader + 32 + 14;
  return place + 4 <= std::min(bytes.size(), first.num_bytes) ? place : 0;
}

// A frame without sound that says how many follow, and the file.
std::vector<std::byte> with_count(Bytes bytes, uint32_t num_frames) {
  std::vector<std::byte> header = {bytes[0], bytes[1] | std::byte{1},
                                   (bytes[2] & std::byte{kRate}) | std::byte{5 << 4}, bytes[3]};
  const Frame frame = frame_at(header, 0);
  header.resize(frame.num_bytes);
  const size_t at = kFrameHeader + frame.side_bytes;
  std::memcpy(header.data() + at, "Xing", 4);
  put_big_endian(header, at + 4, 1);
  put_big_endian(header, at + 8, num_frames);
  header.insert(header.end(), bytes.begin(), bytes.end());
  return header;
}

}  // namespace

Mp3Frames count_mp3_frames(Bytes bytes) {
  constexpr uint32_t kMoreThan = 2;  // encoders do not agree whether the first and the last frame count
  const Frame first = frame_at(bytes, 0);
  if (first.num_bytes == 0) return {};
  const Counted counted = count(bytes, first);
  if (counted.of_two_kinds) return {std::nullopt, true};
  const size_t place = place_of_count(bytes, first);
  if (place == 0) return {with_count(bytes, counted.frames), false};
  if (counted.frames <= uint64_t{big_endian(bytes, place)} + 1 + kMoreThan) return {};
  std::vector<std::byte> corrected(bytes.begin(), bytes.end());
  put_big_endian(corrected, place, counted.frames - 1);
  return {std::move(corrected), false};
}

}  // namespace mom::formats
