#include "mom/formats/sound_file.h"

#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "mom/base/error.h"

namespace mom::formats {
namespace {

struct Stream {
  std::span<const std::byte> bytes;
  sf_count_t position = 0;
};

sf_count_t stream_length(void* user) {
  return static_cast<sf_count_t>(static_cast<Stream*>(user)->bytes.size());
}

sf_count_t stream_seek(sf_count_t offset, int whence, void* user) {
  auto* stream = static_cast<Stream*>(user);
  sf_count_t start = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? stream->position : stream_length(user);
  stream->position = std::clamp<sf_count_t>(start + offset, 0, stream_length(user));
  return stream->position;
}

sf_count_t stream_read(void* target, sf_count_t count, void* user) {
  auto* stream = static_cast<Stream*>(user);
  count = std::clamp<sf_count_t>(count, 0, stream_length(user) - stream->position);
  std::memcpy(target, stream->bytes.data() + stream->position, static_cast<size_t>(count));
  stream->position += count;
  return count;
}

sf_count_t stream_write(const void*, sf_count_t, void*) { return 0; }

sf_count_t stream_tell(void* user) { return static_cast<Stream*>(user)->position; }

sf_count_t count_frames(SNDFILE* file, const SF_INFO& info) {
  std::vector<float> block(static_cast<size_t>(4096 * info.channels));
  sf_count_t total = 0;
  while (sf_count_t got = sf_readf_float(file, block.data(), 4096)) total += got;
  return total;
}

// A WAV cut off at its end still opens: libsndfile makes the length fit. The header's own promise is told by
// this.
bool is_cut_wav(std::span<const std::byte> bytes) {
  auto text = [&](size_t at) {
    return std::string_view(reinterpret_cast<const char*>(bytes.data()) + at, 4);
  };
  auto number = [&](size_t at) {
    uint32_t value = 0;
    for (int i = 3; i >= 0; --i)
      value = value << 8 | std::to_integer<uint32_t>(bytes[at + static_cast<size_t>(i)]);
    return value;
  };
  if (bytes.size() < 12 || text(0) != "RIFF") return false;
  for (size_t at = 12; at + 8 <= bytes.size(); at += 8 + size_t{number(at + 4)} + (number(at + 4) & 1)) {
    uint32_t promised = number(at + 4);
    if (text(at) == "data")
      return promised != 0xFFFFFFFFu && promised > bytes.size() - at - 8;  // all ones: a stream
  }
  return false;
}

}  // namespace

SoundInfo read_sound_info(std::span<const std::byte> bytes, std::string_view where) {
  SF_VIRTUAL_IO callbacks{stream_length, stream_seek, stream_read, stream_write, stream_tell};
  Stream stream{bytes};
  SF_INFO info{};
  std::unique_ptr<SNDFILE, decltype(&sf_close)> file(sf_open_virtual(&callbacks, SFM_READ, &info, &stream),
                                                     &sf_close);
  if (!file)
    throw InputError(
        {std::string(where), "a sound file (WAV, FLAC)", sf_strerror(nullptr), "replace or remove the file"});
  sf_count_t num_frames = count_frames(file.get(), info);
  if (num_frames == 0) throw InputError({std::string(where), "sound", "none", "replace or remove the file"});
  if (num_frames < info.frames || is_cut_wav(bytes))
    throw InputError({std::string(where), "sound as long as the header says", "a file that ends before",
                      "replace or remove the file"});
  return {info.samplerate, info.channels, num_frames};
}

}  // namespace mom::formats
