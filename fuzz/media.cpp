// Images and sound, through limits as import and serving have them.
#include "fuzz/targets.h"
#include "mom/base/random.h"
#include "mom/formats/image_file.h"
#include "mom/formats/media_kinds.h"
#include "mom/formats/sound_file.h"
#include "tests/support/image_metadata.h"
#include "tests/support/sounds.h"

namespace mom::fuzz {
namespace {

using namespace formats;

void read_image(std::string_view bytes) {
  const auto span = std::as_bytes(std::span(bytes));
  name_of_content(span);
  const Image image = decode_image(span, "image", {.max_side = 256, .max_pixels = 65536});
  expect(image.channels == 3 || image.channels == 4, "channels");
  expect(image.pixels.size() == static_cast<size_t>(image.width * image.height * image.channels), "pixels");
}

Image colours(int64_t channels) {
  RandomStream random(2);
  Image image{12, 9, channels, {}};
  for (int64_t i = 0; i < 12 * 9 * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * 5 + static_cast<int64_t>(random.below(20))));
  return image;
}

std::vector<std::string> image_seeds() {
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
  return {test::with_png_chunk(encode_png(rgba), "eXIf", exif),
          test::with_png_chunk(test::make_png(12, 9, deep, {16, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7}),
                               "gAMA", test::number(100000, 4, true)),
          test::make_png(12, 9, indices,
                         {8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, {{1, 2, 3}, {4, 5, 6}}, {9}}),
          test::make_animated_png(rgb),
          jpeg(rgb, 3, JCS_RGB, false, false),
          jpeg(rgb, 3, JCS_RGB, true, false),
          jpeg(rgb, 3, JCS_RGB, false, true),
          jpeg(rgba, 4, JCS_CMYK, false, false),
          test::webp_file(test::webp_header(test::kWebpExif | test::kWebpAlpha, 12, 9) +
                          test::webp_pixels(rgba) + test::riff_chunk("EXIF", exif)),
          test::make_animated_webp(rgba, 16, 12, 2, 2),
          test::make_gif(12, 9, palette, {{0, 0, 12, 9, gif}}),
          test::make_gif(14, 12, palette, {{1, 1, 12, 9, gif, palette, 2, true}, {0, 0, 12, 9, gif}})};
}

void read_sound(std::string_view bytes) {
  const SoundLimits limits{.max_seconds = 10};
  const Sound sound = decode_sound(std::as_bytes(std::span(bytes)), "sound", limits);
  expect(sound.rate_hz >= limits.min_rate_hz, "rate");
  expect(sound.samples.size() == static_cast<size_t>(sound.num_frames() * sound.channels), "samples");
}

std::vector<std::string> sound_seeds() {
  const auto file = [](int format, int rate_hz, int channels) {
    return test::sound_file(format, rate_hz, channels, test::sine(440, rate_hz, rate_hz / 40, 0.5, channels));
  };
  return {file(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1),
          file(SF_FORMAT_WAVEX | SF_FORMAT_PCM_24, 8000, 3),
          file(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 8000, 2),
          file(SF_FORMAT_WAV | SF_FORMAT_ULAW, 8000, 1),
          file(SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 8000, 1),
          file(SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM, 8000, 2),
          file(SF_FORMAT_WAV | SF_FORMAT_GSM610, 8000, 1),
          file(SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 8000, 1),
          file(SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 8000, 2),
          file(SF_FORMAT_OGG | SF_FORMAT_VORBIS, 8000, 1),
          file(SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 1),
          file(SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 16000, 1)};
}

}  // namespace

std::vector<Target> media_targets() {
  return {{"image", read_image, image_seeds}, {"sound", read_sound, sound_seeds}};
}

}  // namespace mom::fuzz
