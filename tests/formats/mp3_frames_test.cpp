// Sounds of which libsndfile plays a part without a word: MP3 whose frames differ and no header counts them, and files that
// were joined. All of it is read, or the file is refused.
#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/formats/mp3_frames.h"
#include "mom/formats/sound_file.h"
#include "tests/support/sounds.h"
#include "tests/support/thrown.h"

namespace mom::formats {
namespace {

constexpr int kMp3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;

Bytes view(std::string_view bytes) { return std::as_bytes(std::span(bytes)); }

Sound decoded(std::string_view bytes) { return decode_sound(view(bytes), "sample"); }

std::string error_of(std::string_view bytes) {
  return test::message_of<InputError>([&] { decoded(bytes); });
}

// Three seconds whose frames differ in size: a tone, silence, noise.
std::vector<float> varied(int rate_hz, int channels) {
  std::vector<float> samples = test::sine(440, rate_hz, 3 * rate_hz, 0.5, channels);
  const size_t third = samples.size() / 3;
  uint32_t state = 1;
  for (size_t i = third; i < samples.size(); ++i) {
    state = state * 1664525u + 1013904223u;
    samples[i] = i < 2 * third ? 0 : 0.5f * (static_cast<float>(state >> 8) / (1 << 23) - 1);
  }
  return samples;
}

// What libsndfile writes begins with a frame that counts the others.
std::string without_header(const std::string& mp3) {
  const size_t next = mp3.find(mp3.substr(0, 2), 4);  // the first two bytes of all frames are alike
  return mp3.substr(next);
}

TEST(Mp3Frames, AFileWithoutACountIsReadToItsEnd) {
  for (const auto& [rate, channels] :
       {std::pair{16000, 1}, {44100, 1}, {44100, 2}, {48000, 2}, {22050, 2}, {8000, 1}}) {
    SCOPED_TRACE(std::to_string(rate) + " Hz, " + std::to_string(channels));
    const std::string whole = test::sound_file(kMp3, rate, channels, varied(rate, channels)),
                      bare = without_header(whole);
    EXPECT_FALSE(count_mp3_frames(view(whole)).corrected);
    ASSERT_EQ(error_of(bare), "no error");
    const Sound expected = decoded(whole), found = decoded(bare);
    EXPECT_EQ(expected.num_frames(), 3 * rate);
    // Without the header nothing says what the encoder added before the beginning and behind the end.
    EXPECT_GE(found.num_frames(), 3 * rate);
    EXPECT_LE(found.num_frames(), 3 * rate + 4 * 1152);
    double noise = 0;  // is at the end
    for (auto i = found.samples.end() - channels * rate / 2; i != found.samples.end(); ++i) noise += *i * *i;
    EXPECT_GT(noise / rate, 0.01);
  }
}

TEST(Mp3Frames, JoinedFilesAreReadToTheEnd) {
  const std::string one = test::sound_file(kMp3, 16000, 1, test::sine(440, 16000, 16000)),
                    two = test::sound_file(kMp3, 16000, 1, test::sine(880, 16000, 32000));
  const std::string tag = "TAG" + std::string(125, '\0'),
                    id3 = std::string("ID3\3\0\0\0\0\0\x64", 10) + std::string(100, '\0');
  for (const std::string& joined :
       {one + two, one + tag + id3 + two + tag, without_header(one) + without_header(two)}) {
    ASSERT_EQ(error_of(joined), "no error");
    EXPECT_NEAR(static_cast<double>(decoded(joined).num_frames()), 48000, 4 * 1152);
  }
  for (const std::string& tagged :
       {one + tag, one + "APETAGEX" + std::string(24, '\0'), one + std::string(5000, '\0')})
    EXPECT_EQ(decoded(tagged).samples, decoded(one).samples);
}

TEST(Mp3Frames, PartsThatCannotBePlayedOnAreRefused) {
  const auto samples = test::sine(440, 16000, 16000);
  const std::string one = test::sound_file(kMp3, 16000, 1, samples),
                    other = test::sound_file(kMp3, 44100, 1, samples);
  EXPECT_NE(error_of(one + other).find("several that were joined"), std::string::npos)
      << error_of(one + other);
  for (const int format : {SF_FORMAT_VORBIS, SF_FORMAT_OPUS}) {
    const std::string ogg = test::sound_file(SF_FORMAT_OGG | format, 16000, 1, samples);
    EXPECT_EQ(error_of(ogg), "no error");
    EXPECT_NE(error_of(ogg + ogg).find("several that were joined"), std::string::npos) << error_of(ogg + ogg);
  }
}

// Every cut, and every byte changed, of the first kilobyte gives a sound or an error.
TEST(Mp3Frames, DamageGivesAnAnswer) {
  const std::string bare = without_header(test::sound_file(kMp3, 16000, 1, test::sine(440, 16000, 3000)));
  for (size_t i = 0; i < std::min<size_t>(bare.size(), 1024); ++i) {
    error_of(bare.substr(0, i));
    for (const char value : {'\0', '\xff', static_cast<char>(bare[i] ^ 4)}) {
      std::string damaged = bare;
      damaged[i] = value;
      error_of(damaged);
    }
  }
}

}  // namespace
}  // namespace mom::formats
