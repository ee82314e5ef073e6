// What WAV headers say, and what is made of it when it is not true. Sounds are compared sample by sample.
#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/formats/sound_file.h"
#include "tests/support/sounds.h"

namespace mom::formats {
namespace {

using test::sine;

std::string wav_number(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * i & 0xFF);
  return bytes;
}

struct Format {
  uint32_t tag = 1, channels = 1, rate_hz = 16000, frame_bytes = 2, bits = 16;
};

std::string format_chunk(const Format& f) {
  return "fmt " + wav_number(16, 4) + wav_number(f.tag, 2) + wav_number(f.channels, 2) +
         wav_number(f.rate_hz, 4) + wav_number(uint64_t{f.rate_hz} * f.frame_bytes, 4) +
         wav_number(f.frame_bytes, 2) + wav_number(f.bits, 2);
}

std::string wav(uint32_t riff, uint32_t data, const std::string& samples, const Format& format = {}) {
  return "RIFF" + wav_number(riff, 4) + "WAVE" + format_chunk(format) + "data" + wav_number(data, 4) +
         samples;
}

std::string whole_wav(const std::string& samples, const Format& format = {}) {
  const auto size = static_cast<uint32_t>(samples.size());
  return wav(36 + size, size, samples, format);
}

// As ffmpeg writes it when it is asked to: the lengths are in a chunk of their own, in 64 bits.
std::string rf64(uint64_t data, const std::string& samples) {
  return "RF64" + wav_number(0xFFFFFFFF, 4) + "WAVEds64" + wav_number(28, 4) +
         wav_number(72 + samples.size(), 8) + wav_number(data, 8) + wav_number(samples.size() / 2, 8) +
         wav_number(0, 4) + format_chunk({}) + "data" + wav_number(0xFFFFFFFF, 4) + samples;
}

std::string pcm16(int num_samples) {
  std::string bytes;
  for (int i = 0; i < num_samples; ++i) bytes += wav_number(static_cast<uint64_t>(i * 37 % 20000 - 10000), 2);
  return bytes;
}

std::vector<float> samples_of(const std::string& bytes) {
  return decode_sound(std::as_bytes(std::span(bytes)), "sample").samples;
}

std::string wav_error_of(const std::string& bytes) {
  try {
    samples_of(bytes);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

const std::string kSamples = pcm16(4000);
const auto kSize = static_cast<uint32_t>(kSamples.size());

TEST(WavHeader, LengthsThatWereNotKnownMeanToTheEndOfTheFile) {
  const std::vector<float> expected = samples_of(whole_wav(kSamples));
  ASSERT_EQ(expected.size(), 4000u);
  EXPECT_EQ(expected[1], -9963 / 32768.0f);
  for (const auto& [riff, data] :
       std::vector<std::pair<uint32_t, uint32_t>>{{0xFFFFFFFF, 0xFFFFFFFF},       // ffmpeg, OpenAI's voices
                                                  {0xFFFFFFFF, 0xFFFFFFFF - 44},  // less the header
                                                  {0x7FFFF024, 0x7FFFF000},       // sox, espeak
                                                  {0x7FFFFFFF, 0x7FFFFFFF - 36},
                                                  {0x80000024, 0x80000000},  // arecord
                                                  {0, 0},
                                                  {36 + kSize, 0},
                                                  {0, kSize},
                                                  {36, kSize},
                                                  {0xFFFFFFFF, kSize}}) {
    const std::string bytes = wav(riff, data, kSamples);
    ASSERT_EQ(wav_error_of(bytes), "no error") << std::hex << riff << ", " << data;
    EXPECT_EQ(samples_of(bytes), expected) << std::hex << riff << ", " << data;
  }
  // Half a sample at the end is none.
  EXPECT_EQ(samples_of(wav(0xFFFFFFFF, 0x7FFFF000, kSamples + "x")), expected);
  // A wholly silent sound begins with what could be the name of no chunk.
  const std::string silence(8000, '\0');
  EXPECT_EQ(samples_of(wav(0, 0, silence)).size(), 4000u);
}

TEST(WavHeader, AnEmptyDataChunkBeforeOthersHasNoSound) {
  const std::string list = "LIST" + wav_number(12, 4) + "INFOISFT" + wav_number(0, 4);
  EXPECT_NE(wav_error_of(wav(36 + 20, 0, list)).find("expected sound, found none"), std::string::npos);
  EXPECT_NE(wav_error_of(wav(0xFFFFFFFF, 0xFFFFFFFF, "")).find("expected sound, found none"),
            std::string::npos);
}

TEST(WavHeader, ALengthThatTheFileDoesNotHaveIsACut) {
  for (const uint32_t more : {2u, 100u, 0x10000000u, 0x60000000u}) {
    const std::string message = wav_error_of(wav(36 + kSize + more, kSize + more, kSamples));
    EXPECT_NE(message.find("expected sound as long as the header says"), std::string::npos)
        << more << message;
  }
  // All whole samples are there: nothing is lost.
  EXPECT_EQ(samples_of(wav(36 + kSize, kSize + 1, kSamples)).size(), 4000u);
  EXPECT_EQ(samples_of(wav(36 + kSize, kSize - 1, kSamples)).size(), 3999u);
}

TEST(WavHeader, Rf64) {
  const std::vector<float> expected = samples_of(whole_wav(kSamples));
  for (const uint64_t length : {uint64_t{kSize}, uint64_t{0}, UINT64_MAX, uint64_t{0xFFFFFFFF}}) {
    const std::string bytes = rf64(length, kSamples);
    ASSERT_EQ(wav_error_of(bytes), "no error") << length;
    EXPECT_EQ(samples_of(bytes), expected) << length;
  }
  EXPECT_NE(wav_error_of(rf64(kSize + 1000, kSamples)).find("as long as the header says"), std::string::npos);
}

TEST(WavHeader, RatesAndChannelsThatCannotBe) {
  for (const uint32_t rate : {0u, 1u, 999u, 384'001u, 0x7FFFFFFFu, 0x80000001u, 0xFFFFFFFFu})
    EXPECT_NE(
        wav_error_of(whole_wav(kSamples, {1, 1, rate}))
            .find("expected a sound of 1000 to 384000 samples per second, found " + std::to_string(rate)),
        std::string::npos)
        << rate;
  for (const uint32_t channels : {0u, 9u, 65535u})
    EXPECT_NE(wav_error_of(whole_wav(kSamples, {1, channels, 16000, channels * 2 & 0xFFFF}))
                  .find("expected a sound of 1 to 8 channels, found " + std::to_string(channels)),
              std::string::npos)
        << channels;
}

// 24 bits in frames of 4 bytes were read as frames of 3: noise, and a third too long.
TEST(WavHeader, FramesThatDoNotFitTheirSamplesAreRefused) {
  for (const Format& format :
       {Format{1, 1, 16000, 4, 24}, Format{1, 1, 16000, 2, 17}, Format{1, 1, 16000, 4, 16},
        Format{1, 2, 16000, 2, 16}, Format{1, 1, 16000, 0, 16}, Format{1, 1, 16000, 2, 0},
        Format{3, 1, 16000, 8, 32}, Format{1, 1, 16000, 2, 255}})
    EXPECT_NE(wav_error_of(whole_wav(kSamples, format))
                  .find("found frames of " + std::to_string(format.frame_bytes)),
              std::string::npos)
        << format.bits << " bits in " << format.frame_bytes << ": "
        << wav_error_of(whole_wav(kSamples, format));
  // 12 bits in 2 bytes are the upper 12 of them.
  EXPECT_EQ(samples_of(whole_wav(kSamples, {1, 1, 16000, 2, 12})), samples_of(whole_wav(kSamples)));
}

TEST(WavHeader, CodingsThatCannotBeReadAreNamed) {
  for (const uint32_t tag : {0u, 0x55u, 0xFFu, 0x161u, 0xABCDu}) {
    const std::string message = wav_error_of(whole_wav(kSamples, {tag, 1, 16000, 1, 0}));
    EXPECT_NE(message.find("found one that cannot be decoded"), std::string::npos) << tag << ": " << message;
  }
  for (const Format& format : {Format{3, 1, 16000, 2, 16}, Format{1, 1, 16000, 8, 64}})
    EXPECT_NE(wav_error_of(whole_wav(kSamples, format)).find("cannot be decoded"), std::string::npos)
        << format.bits;
}

TEST(WavHeader, OtherChunksAroundTheSound) {
  const std::vector<float> expected = samples_of(whole_wav(kSamples));
  const std::string list =
      "LIST" + wav_number(15, 4) + "INFOISFT" + wav_number(3, 4) + "mom" + std::string(1, '\0');
  const std::string before = "RIFF" + wav_number(36 + 24 + kSize, 4) + "WAVE" + list + format_chunk({}) +
                             list + "data" + wav_number(kSize, 4) + kSamples;
  EXPECT_EQ(samples_of(before), expected);
  EXPECT_EQ(samples_of(whole_wav(kSamples) + list), expected);
  EXPECT_EQ(samples_of(whole_wav(kSamples) + "\1\2\3 other bytes"), expected);
}

std::string id3(size_t num_bytes) {
  std::string tag("ID3\4\0\0", 6);
  for (int shift = 21; shift >= 0; shift -= 7) tag += static_cast<char>(num_bytes >> shift & 0x7F);
  return tag + std::string(num_bytes, '\0');
}

// Taggers leave room in front of the sound, and some do not count it.
TEST(SoundFile, TagsAndZerosInFrontOfTheSound) {
  const auto samples = sine(440, 16000, 16000);
  for (const int format : {SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
                           SF_FORMAT_WAV | SF_FORMAT_PCM_16}) {
    const std::string plain = test::sound_file(format, 16000, 1, samples);
    for (const std::string& lead : {id3(3000), id3(3000) + std::string(1500, '\0'), std::string(1500, '\0'),
                                    id3(10) + id3(3000), id3(0)}) {
      ASSERT_EQ(wav_error_of(lead + plain), "no error") << lead.size();
      EXPECT_EQ(samples_of(lead + plain), samples_of(plain)) << lead.size();
    }
  }
  EXPECT_NE(wav_error_of(id3(3000)), "no error");
  EXPECT_NE(wav_error_of(id3(0x0FFFFFFF).substr(0, 500)), "no error");
}

}  // namespace
}  // namespace mom::formats
