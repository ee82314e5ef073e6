#include "mom/formats/sound_file.h"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>

#include "mom/base/error.h"
#include "mom/formats/magic.h"
#include "mom/formats/media_kinds.h"
#include "mom/formats/mp3_frames.h"
#include "mom/formats/sound_containers.h"
#include "mom/formats/wav_header.h"

namespace mom::formats {
namespace {

constexpr float kMaxPeak = 8;  // 18 dB above full scale: a 16-bit integer written as float is far beyond
constexpr sf_count_t kBlockFrames = 4096;
constexpr const char* kReplace = "replace or remove the file";

[[noreturn]] void fail(std::string_view where, const std::string& expected, const std::string& found) {
  throw InputError({std::string(where), expected, found, kReplace});
}

struct Stream {
  Bytes bytes;
  std::span<const Correction> corrections;
  sf_count_t position = 0;
};

sf_count_t stream_length(void* user) {
  return static_cast<sf_count_t>(static_cast<Stream*>(user)->bytes.size());
}

// Offsets come from the file and may be anything: none leads outside it, and none overflows.
sf_count_t stream_seek(sf_count_t offset, int whence, void* user) {
  auto* stream = static_cast<Stream*>(user);
  const sf_count_t length = stream_length(user);
  const sf_count_t start = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? stream->position : length;
  stream->position = start + std::clamp<sf_count_t>(offset, -start, length - start);
  return stream->position;
}

sf_count_t stream_read(void* target, sf_count_t count, void* user) {
  auto* stream = static_cast<Stream*>(user);
  count = std::clamp<sf_count_t>(count, 0, stream_length(user) - stream->position);
  if (count > 0) std::memcpy(target, stream->bytes.data() + stream->position, static_cast<size_t>(count));
  for (const auto& [at, value] : stream->corrections)
    for (sf_count_t i = 0; i < 4; ++i) {
      const sf_count_t place = static_cast<sf_count_t>(at) + i - stream->position;
      if (place >= 0 && place < count)
        static_cast<uint8_t*>(target)[place] = static_cast<uint8_t>(value >> 8 * i);
    }
  stream->position += count;
  return count;
}

sf_count_t stream_write(const void*, sf_count_t, void*) { return 0; }

sf_count_t stream_tell(void* user) { return static_cast<Stream*>(user)->position; }

std::string range(int64_t low, int64_t high, const char* what) {
  return std::to_string(low) + " to " + std::to_string(high) + what;
}

// What the header says, before a sample is read.
void check_header(int64_t channels, int64_t rate_hz, std::string_view where, const SoundLimits& limits) {
  if (channels < 1 || channels > limits.max_channels)
    fail(where, "a sound of " + range(1, limits.max_channels, " channels"), std::to_string(channels));
  if (rate_hz < limits.min_rate_hz || rate_hz > limits.max_rate_hz)
    fail(where, "a sound of " + range(limits.min_rate_hz, limits.max_rate_hz, " samples per second"),
         std::to_string(rate_hz));
}

void check_wav(const WavHeader& wav, std::string_view where, const SoundLimits& limits) {
  check_header(wav.channels, wav.rate_hz, where, limits);
  if (!wav.frames_fit())
    fail(where, "frames of whole samples, each of whole bytes",
         "frames of " + std::to_string(wav.frame_bytes) + " bytes for " + std::to_string(wav.channels) +
             " samples of " + std::to_string(wav.bits) + " bits");
}

void check_length(int64_t num_frames, bool exact, const SF_INFO& info, std::string_view where,
                  const SoundLimits& limits) {
  const std::string found = exact ? std::to_string(num_frames / info.samplerate) + " s" : "more";
  if (num_frames / info.samplerate >= limits.max_seconds && num_frames > limits.max_seconds * info.samplerate)
    fail(where, "a sound of at most " + std::to_string(limits.max_seconds) + " s", found);
  if (num_frames > limits.max_samples / info.channels)
    fail(where, "at most " + std::to_string(limits.max_samples) + " samples in all channels", found);
}

void check_samples(std::span<const float> samples, sf_count_t first_frame, const SF_INFO& info,
                   std::string_view where) {
  const auto bad = std::find_if(samples.begin(), samples.end(),
                                [](float value) { return !(std::abs(value) <= kMaxPeak); });  // also NaN
  if (bad == samples.end()) return;
  const std::string place = std::string(where) + ": sample " +
                            std::to_string(first_frame + (bad - samples.begin()) / info.channels);
  if (!std::isfinite(*bad)) fail(place, "a finite number", std::isnan(*bad) ? "NaN" : "an infinite one");
  fail(place, "numbers around full scale, which is 1", std::to_string(*bad));
}

using SoundFile = std::unique_ptr<SNDFILE, decltype(&sf_close)>;

SoundFile open_sound(Stream& stream, SF_INFO& info, SoundKind kind, std::string_view where) {
  const std::string expected(kReadableSounds);
  if (stream.bytes.empty()) fail(where, expected, "an empty file");
  if (kind == SoundKind::kOther)
    throw InputError(
        {std::string(where), expected, name_of_content(stream.bytes), std::string(kConvertSound)});
  SF_VIRTUAL_IO callbacks{stream_length, stream_seek, stream_read, stream_write, stream_tell};
  SoundFile file(sf_open_virtual(&callbacks, SFM_READ, &info, &stream), &sf_close);
  if (!file) {
    std::string reason = sf_strerror(nullptr);
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    fail(where, expected, "one that cannot be decoded (" + reason + ")");
  }
  return file;
}

// What libsndfile would play a part of, and nothing would say so.
void check_joined(SoundKind kind, bool mp3_of_two_kinds, Bytes bytes, std::string_view where) {
  if (!mp3_of_two_kinds && !(kind == SoundKind::kOgg && is_joined_ogg(bytes))) return;
  throw InputError({std::string(where), "one sound",
                    "several that were joined, of which the first alone would be read",
                    "split it, or convert it to one WAV or FLAC"});
}

// Reads to the end; `visit` gets the interleaved samples of a block.
SoundInfo for_each_block(Bytes bytes, std::string_view where, const SoundLimits& limits,
                         const std::function<void(std::span<const float>)>& visit) {
  bytes = without_lead(bytes);
  const SoundKind kind = sound_kind(bytes);
  const auto wav = kind == SoundKind::kWav ? read_wav_header(bytes) : std::nullopt;
  if (wav) check_wav(*wav, where, limits);
  const Mp3Frames mp3 = kind == SoundKind::kMp3 ? count_mp3_frames(bytes) : Mp3Frames();
  check_joined(kind, mp3.of_two_kinds, bytes, where);
  if (mp3.corrected) bytes = *mp3.corrected;
  Stream stream{bytes, wav ? std::span<const Correction>(wav->corrections) : std::span<const Correction>()};
  SF_INFO info{};
  const SoundFile file = open_sound(stream, info, kind, where);
  check_header(info.channels, info.samplerate, where, limits);
  // A length that the header does not know is a negative or a huge number.
  const bool known = info.frames >= 0 && info.frames < SF_COUNT_MAX;
  if (known) check_length(info.frames, true, info, where, limits);
  std::vector<float> block(static_cast<size_t>(kBlockFrames * info.channels));
  sf_count_t num_frames = 0;
  while (const sf_count_t got = sf_readf_float(file.get(), block.data(), kBlockFrames)) {
    const std::span<const float> samples(block.data(), static_cast<size_t>(got * info.channels));
    check_length(num_frames + got, false, info, where, limits);
    check_samples(samples, num_frames, info, where);
    visit(samples);
    num_frames += got;
  }
  const bool is_cut = kind == SoundKind::kOgg ? is_cut_ogg(bytes) : wav && wav->is_cut;
  if (is_cut || (known && num_frames < info.frames) || sf_error(file.get()) != SF_ERR_NO_ERROR)
    fail(where, "sound as long as the header says",
         "a file that ends before, or is damaged, after " + std::to_string(num_frames) + " samples");
  if (num_frames == 0) fail(where, "sound", "none");
  return {info.samplerate, info.channels, num_frames};
}

void put(std::string& bytes, uint32_t value, int size) {
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
}

}  // namespace

SoundInfo read_sound_info(Bytes bytes, std::string_view where, const SoundLimits& limits) {
  return for_each_block(bytes, where, limits, [](std::span<const float>) {});
}

Sound decode_sound(Bytes bytes, std::string_view where, const SoundLimits& limits) {
  Sound sound;
  const SoundInfo info = for_each_block(bytes, where, limits, [&](std::span<const float> samples) {
    sound.samples.insert(sound.samples.end(), samples.begin(), samples.end());
  });
  sound.rate_hz = info.rate_hz;
  sound.channels = info.channels;
  return sound;
}

std::string encode_wav(std::span<const float> samples, int64_t rate_hz) {
  constexpr uint32_t kHeader = 36;
  const auto num_bytes = static_cast<uint64_t>(samples.size()) * 2;
  if (num_bytes > UINT32_MAX - kHeader || rate_hz < 1 || rate_hz > INT32_MAX)
    throw UserError({"a WAV file", "at most 4 GiB and a rate above 0",
                     std::to_string(samples.size()) + " samples at " + std::to_string(rate_hz) + " Hz",
                     "write shorter sounds"});
  const auto rate = static_cast<uint32_t>(rate_hz), size = static_cast<uint32_t>(num_bytes);
  std::string bytes;
  bytes.reserve(kHeader + 8 + num_bytes);
  bytes += "RIFF", put(bytes, kHeader + size, 4), bytes += "WAVEfmt ", put(bytes, 16, 4);
  put(bytes, 1, 2), put(bytes, 1, 2), put(bytes, rate, 4), put(bytes, rate * 2, 4);  // PCM, one channel
  put(bytes, 2, 2), put(bytes, 16, 2), bytes += "data", put(bytes, size, 4);
  for (const float sample : samples) {
    if (!std::isfinite(sample)) throw Error(ExitCode::kInternal, "encode_wav: a sample is not finite");
    const float scaled = std::clamp(std::round(sample * 32768.0f), -32768.0f, 32767.0f);
    put(bytes, static_cast<uint32_t>(static_cast<int32_t>(scaled)), 2);
  }
  return bytes;
}

}  // namespace mom::formats
