#include "mom/formats/wav_header.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "mom/base/rounding.h"
#include "mom/formats/magic.h"

namespace mom::formats {
namespace {

constexpr uint32_t kPcm = 1, kFloat = 3, kExtensible = 0xFFFE;
constexpr uint32_t kIn64Bits = 0xFFFFFFFFu;  // RF64: the length is in the ds64 chunk

uint64_t little_endian(Bytes bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[at + i]);
  return value;
}

// Chunks of a name, a size and as many bytes, padded to even.
struct Chunk {
  size_t begin = 0;  // of the content
  uint64_t size = 0;
  size_t next() const { return begin + size + (size & 1); }
};

bool has_name(Bytes bytes, const Chunk& chunk, std::string_view name) {
  return std::memcmp(bytes.data() + chunk.begin - 8, name.data(), 4) == 0;
}

std::optional<Chunk> chunk_at(Bytes bytes, size_t at) {
  if (at > bytes.size() || bytes.size() - at < 8) return std::nullopt;
  return Chunk{at + 8, little_endian(bytes, at + 4, 4)};
}

// Further chunks up to the end of the file, and nothing else: a data chunk of length 0 before them is empty.
bool are_chunks(Bytes bytes, size_t at) {
  while (at < bytes.size()) {
    const auto chunk = chunk_at(bytes, at);
    if (!chunk) return false;
    for (size_t i = at; i < at + 4; ++i)
      if (std::to_integer<int>(bytes[i]) < ' ' || std::to_integer<int>(bytes[i]) > '~') return false;
    at = chunk->next();
  }
  return at == bytes.size() || at == bytes.size() + 1;  // the last one may lack its padding
}

// 0x7FFFF000 of sox, 2^31 - 37 and the like, 2^31 of arecord; 2^32 - 1 of ffmpeg, or less the header. No file that is
// whole and short enough to be taken (SoundLimits, and 2^30 bytes in a dataset) has such a length.
bool means_unknown(uint64_t length, bool in_64_bits) {
  constexpr uint64_t kHalf = uint64_t{1} << 31, kAll = uint64_t{1} << 32, kNear = 0x10000;
  if (in_64_bits && length >= uint64_t{1} << 40) return true;
  return (length >= kHalf - kNear && length <= kHalf + kNear) || (length >= kAll - kNear && length < kAll);
}

void check_length(Bytes bytes, const Chunk& data, std::optional<size_t> length_in_64_bits,
                  WavHeader& header) {
  const bool in_64_bits = length_in_64_bits.has_value() && data.size == kIn64Bits;
  const uint64_t promised = in_64_bits ? little_endian(bytes, *length_in_64_bits, 8) : data.size;
  const uint64_t found = bytes.size() - data.begin, frame = std::max(header.frame_bytes, 1u);
  const bool unknown = promised == 0 ? !are_chunks(bytes, data.begin)
                                     : promised > found && means_unknown(promised, in_64_bits);
  header.is_cut = !unknown && promised / frame > found / frame;
  if (header.is_cut || (!unknown && promised <= found)) return;
  const auto low = static_cast<uint32_t>(found), high = static_cast<uint32_t>(found >> 32);
  if (in_64_bits) {
    header.corrections = {{*length_in_64_bits, low}, {*length_in_64_bits + 4, high}};
  } else {
    header.corrections = {{data.begin - 4, high > 0 ? UINT32_MAX : low}};
  }
}

}  // namespace

bool WavHeader::frames_fit() const {
  if (format != kPcm && format != kFloat) return true;
  return bits > 0 && frame_bytes == channels * ceil_div(bits, 8);
}

std::optional<WavHeader> read_wav_header(Bytes bytes) {
  std::optional<WavHeader> header;
  std::optional<size_t> length_in_64_bits;
  for (auto chunk = chunk_at(bytes, 12); chunk; chunk = chunk_at(bytes, chunk->next())) {
    if (has_name(bytes, *chunk, "data")) {
      if (header) check_length(bytes, *chunk, length_in_64_bits, *header);
      return header;
    }
    if (chunk->size > bytes.size() - chunk->begin) break;
    const auto number = [&](size_t offset, size_t size) {
      return static_cast<uint32_t>(little_endian(bytes, chunk->begin + offset, size));
    };
    if (has_name(bytes, *chunk, "ds64") && chunk->size >= 16) length_in_64_bits = chunk->begin + 8;
    if (!has_name(bytes, *chunk, "fmt ") || chunk->size < 16) continue;
    header = WavHeader{number(0, 2), number(2, 2), number(4, 4), number(12, 2), number(14, 2), {}, false};
    if (header->format == kExtensible && chunk->size >= 26) header->format = number(24, 2);
  }
  return std::nullopt;
}

}  // namespace mom::formats
