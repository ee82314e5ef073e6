// Sound files of every kind, made here as other programs write them; and bad ones, each refused by name.
#include "mom/formats/sound_file.h"

#include <gtest/gtest.h>

#include <limits>

#include "mom/base/error.h"
#include "tests/support/sounds.h"

namespace mom::formats {
namespace {

using test::sine;
using test::sound_file;

std::span<const std::byte> as_bytes(std::string_view bytes) {
  return std::as_bytes(std::span(bytes.data(), bytes.size()));
}

Sound decode_sound_bytes(std::string_view bytes, const SoundLimits& limits = {}) {
  return decode_sound(as_bytes(bytes), "sample", limits);
}

// The message of both readers, which must agree.
std::string sound_error_of(std::string_view bytes, const SoundLimits& limits = {}) {
  std::string messages[2] = {"no error", "no error"};
  try {
    decode_sound_bytes(bytes, limits);
  } catch (const InputError& error) {
    messages[0] = error.what();
  }
  try {
    read_sound_info(as_bytes(bytes), "sample", limits);
  } catch (const InputError& error) {
    messages[1] = error.what();
  }
  EXPECT_EQ(messages[0], messages[1]);
  EXPECT_TRUE(messages[0] == "no error" || messages[0].starts_with("sample")) << messages[0];
  EXPECT_EQ(messages[0].find('\n'), std::string::npos) << messages[0];
  return messages[0];
}

void expect_error(std::string_view bytes, const std::string& part, const SoundLimits& limits = {}) {
  const std::string message = sound_error_of(bytes, limits);
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

void put(std::string& bytes, size_t at, uint32_t value, int size) {
  for (int i = 0; i < size; ++i)
    bytes[at + static_cast<size_t>(i)] = static_cast<char>(value >> (8 * i) & 0xFF);
}

double signal_to_noise_db(const std::vector<float>& expected, const std::vector<float>& found) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    signal += static_cast<double>(expected[i]) * expected[i];
    noise += std::pow(static_cast<double>(expected[i]) - found[i], 2);
  }
  return 10 * std::log10(signal / noise);
}

// What each way of writing a sound keeps of it.
struct Kind {
  const char* name;
  int format;
  int rate_hz, channels;
  double min_snr_db;
};

class EveryKind : public testing::TestWithParam<Kind> {};

TEST_P(EveryKind, DecodesToTheSamplesThatWereWritten) {
  const Kind kind = GetParam();
  const auto written = sine(440, kind.rate_hz, kind.rate_hz / 2, 0.5, kind.channels);
  const std::string bytes = sound_file(kind.format, kind.rate_hz, kind.channels, written);
  const Sound sound = decode_sound_bytes(bytes);
  EXPECT_EQ(sound.rate_hz, kind.rate_hz);
  EXPECT_EQ(sound.channels, kind.channels);
  ASSERT_EQ(sound.samples.size(), written.size());
  EXPECT_GT(signal_to_noise_db(written, sound.samples), kind.min_snr_db);
  const SoundInfo info = read_sound_info(as_bytes(bytes), "sample");
  EXPECT_EQ(info.rate_hz, kind.rate_hz);
  EXPECT_EQ(info.channels, kind.channels);
  EXPECT_EQ(info.num_frames, sound.num_frames());
}

constexpr int kWav = SF_FORMAT_WAV, kFlac = SF_FORMAT_FLAC, kOgg = SF_FORMAT_OGG;
// Floors: about 6 dB a bit for PCM of half full scale; what the lossy coders reach at their default quality.
INSTANTIATE_TEST_SUITE_P(All, EveryKind,
                         testing::Values(Kind{"wav_8bit", kWav | SF_FORMAT_PCM_U8, 8000, 1, 38},
                                         Kind{"wav_16bit", kWav | SF_FORMAT_PCM_16, 11025, 1, 85},
                                         Kind{"wav_24bit_stereo", kWav | SF_FORMAT_PCM_24, 44100, 2, 130},
                                         Kind{"wav_float", kWav | SF_FORMAT_FLOAT, 96000, 1, 200},
                                         Kind{"wav_ulaw", kWav | SF_FORMAT_ULAW, 8000, 1, 30},
                                         Kind{"wav_8channels", kWav | SF_FORMAT_PCM_16, 16000, 8, 85},
                                         Kind{"flac_16bit", kFlac | SF_FORMAT_PCM_16, 44100, 2, 85},
                                         Kind{"flac_24bit", kFlac | SF_FORMAT_PCM_24, 96000, 1, 130},
                                         Kind{"ogg_vorbis", kOgg | SF_FORMAT_VORBIS, 22050, 1, 15},
                                         Kind{"ogg_opus", kOgg | SF_FORMAT_OPUS, 48000, 2, 15}),
                         [](const auto& kind) { return kind.param.name; });

// The encoder's delay and padding are told in a tag that not every reader heeds: length and level, not
// samples.
TEST(SoundFile, Mp3) {
  for (const int rate : {16000, 44100}) {
    const std::string bytes =
        sound_file(SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, rate, 1, sine(440, rate, rate));
    const Sound sound = decode_sound_bytes(bytes);
    EXPECT_EQ(sound.rate_hz, rate);
    EXPECT_EQ(sound.channels, 1);
    EXPECT_NEAR(static_cast<double>(sound.num_frames()), rate, 3000);
    double sum = 0;
    for (const float sample : sound.samples) sum += static_cast<double>(sample) * sample;
    EXPECT_NEAR(sum / rate, 0.125, 0.01);  // the mean square of a sine of half full scale
  }
}

TEST(SoundFile, WavComesBackBitForBit) {
  std::vector<float> samples;
  for (int i = -32768; i < 32768; i += 7) samples.push_back(static_cast<float>(i) / 32768.0f);
  const std::string bytes = encode_wav(samples, 16000);
  EXPECT_EQ(bytes.size(), 44 + 2 * samples.size());
  const Sound sound = decode_sound_bytes(bytes);
  EXPECT_EQ(sound.rate_hz, 16000);
  EXPECT_EQ(sound.samples, samples);
  EXPECT_EQ(encode_wav(sound.samples, 16000), bytes);
}

TEST(SoundFile, WavIsReadByLibsndfileAsItIsWrittenByIt) {
  const auto samples = sine(300, 8000, 800);
  std::string theirs = sound_file(kWav | SF_FORMAT_PCM_16, 8000, 1, samples);
  EXPECT_EQ(encode_wav(samples, 8000).substr(0, 44), theirs.substr(0, 44));
}

TEST(SoundFile, LoudSamplesAreClipped) {
  EXPECT_EQ(decode_sound_bytes(encode_wav(std::vector<float>{1.5f, -1.5f, 1.0f}, 16000)).samples,
            (std::vector<float>{32767 / 32768.0f, -1.0f, 32767 / 32768.0f}));
}

TEST(SoundFile, NoSound) {
  expect_error("", "an empty file");
  expect_error("RIFF", "bytes of an unknown kind");
  expect_error(std::string(1000, 'x'), "bytes of an unknown kind");
  expect_error(sound_file(SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16000, 1, sine(100, 16000, 100)),
               "found an AIFF sound; convert it to WAV or FLAC");
  expect_error(sound_file(kWav | SF_FORMAT_PCM_16, 16000, 1, {}), "found none");
  expect_error(sound_file(kFlac | SF_FORMAT_PCM_16, 16000, 1, {}), "sample");
  expect_error("RIFF\x10\0\0\0WAVEfmt " + std::string(100, '\0'), "sample");
}

TEST(SoundFile, OddRatesAndChannels) {
  expect_error(sound_file(kWav | SF_FORMAT_PCM_16, 500, 1, sine(100, 500, 100)),
               "1000 to 384000 samples per second");
  expect_error(sound_file(kWav | SF_FORMAT_PCM_16, 1'000'000, 1, sine(100, 1'000'000, 100)), "found 1000000");
  expect_error(sound_file(kWav | SF_FORMAT_PCM_16, 16000, 9, sine(100, 16000, 100, 0.5, 9)),
               "1 to 8 channels, found 9");
}

TEST(SoundFile, LongerThanAllowed) {
  SoundLimits limits;
  limits.max_seconds = 1;
  EXPECT_EQ(sound_error_of(encode_wav(sine(100, 8000, 8000), 8000), limits), "no error");
  expect_error(encode_wav(sine(100, 8000, 8001), 8000), "at most 1 s", limits);
  expect_error(sound_file(kFlac | SF_FORMAT_PCM_16, 8000, 1, sine(100, 8000, 16000)),
               "at most 1 s, found 2 s", limits);
  expect_error(sound_file(kOgg | SF_FORMAT_VORBIS, 8000, 1, sine(100, 8000, 16000)), "at most 1 s", limits);
  limits = {};
  limits.max_samples = 1000;
  expect_error(encode_wav(sine(100, 8000, 1001), 8000), "at most 1000 samples", limits);
}

// A header may promise anything: it is refused before memory is taken.
TEST(SoundFile, HeaderThatPromisesHours) {
  std::string flac = sound_file(kFlac | SF_FORMAT_PCM_16, 16000, 1, sine(100, 16000, 4000));
  // STREAMINFO's count of samples: 36 bits that end at byte 26.
  flac[21] = static_cast<char>((flac[21] & 0xF0) | 0x0F);
  for (int i = 22; i < 26; ++i) flac[static_cast<size_t>(i)] = '\xFF';
  expect_error(flac, "at most 3600 s");
  std::string wav = encode_wav(sine(100, 16000, 4000), 16000);
  put(wav, 40, 0x6FFFFFFE, 4);
  put(wav, 4, 0x6FFFFFFE, 4);
  expect_error(wav, "a file that ends before");
}

TEST(SoundFile, SamplesThatAreNoNumbers) {
  const auto with = [](float bad) {
    auto samples = sine(100, 16000, 10'000, 0.5, 2);
    samples[2 * 7000 + 1] = bad;
    return sound_file(kWav | SF_FORMAT_FLOAT, 16000, 2, samples);
  };
  expect_error(with(std::numeric_limits<float>::quiet_NaN()),
               "sample 7000: expected a finite number, found NaN");
  expect_error(with(std::numeric_limits<float>::infinity()),
               "sample 7000: expected a finite number, found an infinite");
  expect_error(with(-30'000), "sample 7000: expected numbers around full scale");
  EXPECT_EQ(sound_error_of(with(1.2f)), "no error");
}

// Cut at every byte: an error, or (behind a whole page of Ogg, a whole frame of MP3) the sound up to there;
// no crash.
TEST(SoundFile, CutAtEveryByte) {
  const auto samples = sine(440, 8000, 400);
  for (const int format :
       {kWav | SF_FORMAT_PCM_16, kWav | SF_FORMAT_FLOAT, kFlac | SF_FORMAT_PCM_16, kOgg | SF_FORMAT_VORBIS,
        kOgg | SF_FORMAT_OPUS, SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}) {
    const int kind = format & SF_FORMAT_TYPEMASK;
    const std::string whole = sound_file(format, 8000, 1, samples);
    const int64_t num_frames = decode_sound_bytes(whole).num_frames();
    int64_t num_accepted = 0;
    for (size_t size = 0; size < whole.size(); ++size) {
      const std::string cut = whole.substr(0, size);
      if (sound_error_of(cut) != "no error") continue;
      ++num_accepted;
      EXPECT_LE(decode_sound_bytes(cut).num_frames(), num_frames) << size;
    }
    if (kind == kWav || kind == kFlac) {
      EXPECT_EQ(num_accepted, 0) << "format " << format;
    }
  }
}

// One byte changed: an error or a sound, never a crash or a hang.
TEST(SoundFile, DamagedAtEveryByte) {
  const auto samples = sine(440, 8000, 400);
  for (const int format : {kWav | SF_FORMAT_PCM_16, kFlac | SF_FORMAT_PCM_16, kOgg | SF_FORMAT_VORBIS}) {
    const std::string whole = sound_file(format, 8000, 1, samples);
    for (size_t at = 0; at < whole.size(); ++at)
      for (const char value : {'\0', '\x7F', '\xFF'}) {
        std::string damaged = whole;
        damaged[at] = value;
        sound_error_of(damaged);
      }
  }
}

}  // namespace
}  // namespace mom::formats
