// Any bytes: an image or a sound, or InputError; no crash, no other exception (run under the sanitizers as well). Small
// files of every kind with random bytes changed, runs removed and repeated; the same ones in every run.
#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/random.h"
#include "mom/formats/sound_file.h"
#include "tests/support/image_metadata.h"
#include "tests/support/sounds.h"

namespace mom::formats {
namespace {

constexpr int kTrials = 2000;

std::string mutated(std::string bytes, RandomStream& random) {
  const size_t at = random.below(bytes.size());
  switch (random.below(8)) {
    case 0:
      return bytes.erase(at, 1 + random.below(16));
    case 1:
      return bytes.insert(at, bytes.substr(random.below(bytes.size()), 1 + random.below(16)));
    case 2:
      return bytes.substr(0, at);
    default:
      for (uint64_t flips = 1 + random.below(4); flips > 0; --flips)
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      return bytes;
  }
}

template <class Decode>
void fuzz(const std::vector<std::pair<std::string, std::string>>& files, const Decode& decode) {
  set_quiet(true);
  for (const auto& [name, whole] : files) {
    ASSERT_NO_THROW(decode(std::as_bytes(std::span(whole)))) << name;
    RandomStream random(whole.size());
    int num_read = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
      const std::string bytes = mutated(whole, random);
      try {
        decode(std::as_bytes(std::span(bytes)));
        ++num_read;
      } catch (const InputError& error) {
        EXPECT_EQ(std::string_view(error.what()).substr(0, 6), "sample") << name;
      } catch (const std::exception& error) {
        ADD_FAILURE() << name << ", trial " << trial << ": " << error.what();
      }
    }
    EXPECT_LT(num_read, kTrials) << name;  // it is not all ignored
  }
  set_quiet(false);
}

Image colours(int64_t channels) {
  RandomStream random(2);
  Image image{12, 9, channels, {}};
  for (int64_t i = 0; i < 12 * 9 * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * 5 + static_cast<int64_t>(random.below(20))));
  return image;
}

TEST(MediaFuzz, Images) {
  const Image rgb = colours(3), rgba = colours(4);
  const std::string exif = test::exif(6, true), prefixed = std::string("Exif\0\0", 6) + exif;
  const auto jpeg = [&](const Image& image, int components, J_COLOR_SPACE space, bool progressive,
                        bool arithmetic) {
    return test::with_jpeg_marker(
        test::make_jpeg(12, 9, image.pixels, components, space, components == 4, progressive, arithmetic),
        0xE1, prefixed);
  };
  std::vector<std::vector<uint8_t>> deep(9, std::vector<uint8_t>(12 * 6, 77)),
      indices(9, std::vector<uint8_t>(12, 1));
  std::vector<uint8_t> gif(12 * 9);
  for (size_t i = 0; i < gif.size(); ++i) gif[i] = static_cast<uint8_t>(i * i % 4);
  const std::vector<GifColorType> palette = {{1, 2, 3}, {40, 50, 60}, {70, 80, 90}, {255, 255, 255}};
  fuzz({{"png", test::with_png_chunk(encode_png(rgba), "eXIf", exif)},
        {"png, 16 bits",
         test::with_png_chunk(test::make_png(12, 9, deep, {16, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7}),
                              "gAMA", test::number(100000, 4, true))},
        {"png, palette",
         test::make_png(12, 9, indices,
                        {8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, {{1, 2, 3}, {4, 5, 6}}, {9}})},
        {"apng", test::make_animated_png(rgb)},
        {"jpeg", jpeg(rgb, 3, JCS_RGB, false, false)},
        {"jpeg, progressive", jpeg(rgb, 3, JCS_RGB, true, false)},
        {"jpeg, arithmetic", jpeg(rgb, 3, JCS_RGB, false, true)},
        {"jpeg, cmyk", jpeg(rgba, 4, JCS_CMYK, false, false)},
        {"webp", test::webp_file(test::webp_header(test::kWebpExif | test::kWebpAlpha, 12, 9) +
                                 test::webp_pixels(rgba) + test::riff_chunk("EXIF", exif))},
        {"webp, animated", test::make_animated_webp(rgba, 16, 12, 2, 2)},
        {"gif", test::make_gif(12, 9, palette, {{0, 0, 12, 9, gif}})},
        {"gif, animated",
         test::make_gif(14, 12, palette, {{1, 1, 12, 9, gif, palette, 2, true}, {0, 0, 12, 9, gif}})}},
       [](std::span<const std::byte> bytes) {
         const Image image = decode_image(bytes, "sample", {256, 65536});
         ASSERT_TRUE(image.channels == 3 || image.channels == 4);
         ASSERT_EQ(image.pixels.size(), static_cast<size_t>(image.width * image.height * image.channels));
       });
}

TEST(MediaFuzz, Sounds) {
  const auto file = [](int format, int rate_hz, int channels) {
    return test::sound_file(format, rate_hz, channels, test::sine(440, rate_hz, rate_hz / 40, 0.5, channels));
  };
  fuzz({{"wav", file(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1)},
        {"wav, 24 bits", file(SF_FORMAT_WAVEX | SF_FORMAT_PCM_24, 8000, 3)},
        {"wav, float", file(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 8000, 2)},
        {"wav, ulaw", file(SF_FORMAT_WAV | SF_FORMAT_ULAW, 8000, 1)},
        {"wav, ima adpcm", file(SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 8000, 1)},
        {"wav, ms adpcm", file(SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM, 8000, 2)},
        {"wav, gsm", file(SF_FORMAT_WAV | SF_FORMAT_GSM610, 8000, 1)},
        {"rf64", file(SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 8000, 1)},
        {"flac", file(SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 8000, 2)},
        {"vorbis", file(SF_FORMAT_OGG | SF_FORMAT_VORBIS, 8000, 1)},
        {"opus", file(SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 1)},
        {"mp3", file(SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 16000, 1)}},
       [](std::span<const std::byte> bytes) {
         SoundLimits limits;
         limits.max_seconds = 10;
         const Sound sound = decode_sound(bytes, "sample", limits);
         ASSERT_GE(sound.rate_hz, limits.min_rate_hz);
         ASSERT_EQ(sound.samples.size(), static_cast<size_t>(sound.num_frames() * sound.channels));
       });
}

}  // namespace
}  // namespace mom::formats
