#include "mom/formats/image_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "tests/support/image_files.h"

namespace mom::formats {
namespace {

using test::decode_bytes, test::image_error_of;

using test::make_jpeg, test::make_png;

Image noise(int64_t width, int64_t height, int64_t channels) {
  RandomStream random(7);
  Image image{width, height, channels, {}};
  for (int64_t i = 0; i < width * height * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(random.below(256)));
  return image;
}

Image gradient(int64_t width, int64_t height) {
  Image image{width, height, 3, {}};
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<uint8_t>(c == 0   ? 255 * x / width
                                                    : c == 1 ? 255 * y / height
                                                             : 128));
  return image;
}

std::string encode_jpeg(const Image& image) {
  return make_jpeg(static_cast<uint32_t>(image.width), static_cast<uint32_t>(image.height),
                   blend_on_white(image).pixels, 3, JCS_RGB, false);
}

void expect_near(const Image& a, const Image& b, int tolerance) {
  ASSERT_EQ(a.width, b.width);
  ASSERT_EQ(a.height, b.height);
  ASSERT_EQ(a.channels, b.channels);
  for (size_t i = 0; i < a.pixels.size(); ++i) ASSERT_NEAR(a.pixels[i], b.pixels[i], tolerance) << "at " << i;
}

TEST(ImageFile, LosslessRoundTrips) {
  for (const int64_t channels : {3, 4}) {
    const Image image = noise(37, 19, channels);
    expect_near(decode_bytes(encode_png(image)), image, 0);
    expect_near(decode_bytes(encode_webp_lossless(image)), image, 0);
    EXPECT_EQ(encode_png(image), encode_png(image));
  }
}

TEST(ImageFile, TransparentPixelsKeepTheirColoursInWebp) {
  Image image = noise(16, 16, 4);
  for (size_t i = 3; i < image.pixels.size(); i += 8) image.pixels[i] = 0;
  expect_near(decode_bytes(encode_webp_lossless(image)), image, 0);
}

TEST(ImageFile, JpegIsReadAsItWasWritten) {
  const Image image = gradient(64, 48);
  expect_near(decode_bytes(encode_jpeg(image)), image, 4);  // measured: at most 3
}

TEST(ImageFile, SixteenBitPngIsScaledNotCut) {
  // 0x01ff is 1.99 of 255: cutting off the low byte would make it 1.
  const std::vector<std::vector<uint8_t>> rows = {{0xff, 0xff, 0x00, 0x00, 0x01, 0xff}};
  const Image image = decode_bytes(make_png(1, 1, rows, {16, PNG_COLOR_TYPE_RGB}));
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{255, 0, 2}));
}

TEST(ImageFile, PalettePngsOfAllDepthsBecomeRgb) {
  const std::vector<png_color> palette = {{10, 20, 30}, {200, 100, 50}};
  const Image one =
      decode_bytes(make_png(8, 1, {{0b01010101}}, {1, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, palette}));
  ASSERT_EQ(one.channels, 3);
  for (int x = 0; x < 8; ++x) {
    EXPECT_EQ(one.pixels[x * 3], x % 2 ? 200 : 10);
    EXPECT_EQ(one.pixels[x * 3 + 2], x % 2 ? 50 : 30);
  }
  const Image with_alpha = decode_bytes(
      make_png(2, 1, {{0, 1}}, {8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, palette, {0, 128}}));
  EXPECT_EQ(with_alpha.channels, 4);
  EXPECT_EQ(with_alpha.pixels, (std::vector<uint8_t>{10, 20, 30, 0, 200, 100, 50, 128}));
}

TEST(ImageFile, GreyPngsBecomeRgb) {
  EXPECT_EQ(decode_bytes(make_png(2, 1, {{7, 250}}, {8, PNG_COLOR_TYPE_GRAY})).pixels,
            (std::vector<uint8_t>{7, 7, 7, 250, 250, 250}));
  EXPECT_EQ(decode_bytes(make_png(1, 1, {{7, 99}}, {8, PNG_COLOR_TYPE_GRAY_ALPHA})).pixels,
            (std::vector<uint8_t>{7, 7, 7, 99}));
  EXPECT_EQ(decode_bytes(make_png(2, 1, {{0b00110000}}, {2, PNG_COLOR_TYPE_GRAY})).pixels,
            (std::vector<uint8_t>{0, 0, 0, 255, 255, 255}));
}

TEST(ImageFile, InterlacedPngIsTheSameImage) {
  const Image image = noise(21, 13, 3);
  std::vector<std::vector<uint8_t>> rows;
  for (int64_t y = 0; y < image.height; ++y)
    rows.emplace_back(image.pixels.begin() + y * 63, image.pixels.begin() + (y + 1) * 63);
  expect_near(decode_bytes(make_png(21, 13, rows, {8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7})), image, 0);
}

TEST(ImageFile, GreyJpegBecomesRgb) {
  const Image image = decode_bytes(make_jpeg(8, 8, std::vector<uint8_t>(64, 90), 1, JCS_GRAYSCALE, false));
  ASSERT_EQ(image.channels, 3);
  for (const uint8_t value : image.pixels) EXPECT_NEAR(value, 90, 1);
}

TEST(ImageFile, ProgressiveAndArithmeticJpegsAreRead) {
  const Image image = gradient(64, 48);
  const Image plain = decode_bytes(encode_jpeg(image));
  for (const bool progressive : {false, true})
    for (const bool arithmetic : {false, true}) {
      const std::string bytes = make_jpeg(64, 48, image.pixels, 3, JCS_RGB, false, progressive, arithmetic);
      expect_near(decode_bytes(bytes), plain, 0);  // the same coefficients, coded in another way
    }
}

// Adobe's inverted ink and plain ink are the same red when each is read by its own rule.
TEST(ImageFile, CmykJpegBecomesRgb) {
  std::vector<uint8_t> inverted, plain;
  for (int i = 0; i < 64; ++i) {
    for (const int ink : {0, 200, 220, 30}) {  // cyan, magenta, yellow, black: 255 = full
      plain.push_back(static_cast<uint8_t>(ink));
      inverted.push_back(static_cast<uint8_t>(255 - ink));
    }
  }
  const int red = 255 * 225 / 255, green = 55 * 225 / 255, blue = 35 * 225 / 255;
  for (const bool adobe : {false, true}) {
    const Image image = decode_bytes(make_jpeg(8, 8, adobe ? inverted : plain, 4, JCS_CMYK, adobe));
    ASSERT_EQ(image.channels, 3);
    EXPECT_NEAR(image.pixels[0], red, 2) << adobe;
    EXPECT_NEAR(image.pixels[1], green, 2) << adobe;
    EXPECT_NEAR(image.pixels[2], blue, 2) << adobe;
  }
}

TEST(ImageFile, EveryTruncationIsRefused) {
  const Image image = noise(24, 24, 3);
  for (const std::string& whole : {encode_png(image), encode_jpeg(image), encode_webp_lossless(image)}) {
    ASSERT_EQ(decode_bytes(whole).width, 24);
    for (size_t size = 0; size < whole.size(); ++size)
      ASSERT_THROW(decode_bytes(std::string_view(whole).substr(0, size)), InputError)
          << size << " of " << whole.size();
  }
}

TEST(ImageFile, DamagedPngIsRefused) {
  std::string bytes = encode_png(noise(24, 24, 3));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
  EXPECT_NE(image_error_of(bytes).find("sample: expected a whole PNG"), std::string::npos)
      << image_error_of(bytes);
}

TEST(ImageFile, SizesAreCheckedBeforePixelsAreMade) {
  const Image image = noise(40, 10, 3);
  for (const std::string& bytes : {encode_png(image), encode_jpeg(image), encode_webp_lossless(image)}) {
    EXPECT_NE(image_error_of(bytes, {39, 1000}).find("found 40 x 10"), std::string::npos)
        << image_error_of(bytes, {39, 1000});
    EXPECT_NE(image_error_of(bytes, {40, 399}).find("found 40 x 10"), std::string::npos);
    EXPECT_EQ(decode_bytes(bytes, {40, 400}).width, 40);
  }
  // A header that claims 2^31 - 1 pixels per side, with no data after it.
  std::string bomb = encode_png(noise(1, 1, 3));
  std::memcpy(bomb.data() + 16, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
  EXPECT_THROW(decode_bytes(bomb), InputError);
}

TEST(ImageFile, BlendOnWhite) {
  const Image image{4, 1, 4, {100, 0, 50, 255, 100, 0, 50, 0, 100, 0, 50, 128, 10, 10, 10, 100}};
  EXPECT_EQ(blend_on_white(image).pixels,
            (std::vector<uint8_t>{100, 0, 50, 255, 255, 255, 177, 127, 152, 159, 159, 159}));
  const Image rgb = noise(4, 4, 3);
  EXPECT_EQ(blend_on_white(rgb).pixels, rgb.pixels);
}

TEST(ImageFile, FitSquareAveragesAreasAndCentresOnWhite) {
  // 4 x 2 -> 2 x 1 in a 2 x 2 square: each target pixel is the mean of a 2 x 2 block.
  Image wide{4, 2, 3, {}};
  for (const int value : {10, 30, 100, 140, 20, 40, 120, 160})
    wide.pixels.insert(wide.pixels.end(), 3, static_cast<uint8_t>(value));
  const Image fitted = fit_square(wide, 2);
  ASSERT_EQ(fitted.pixels.size(), 12u);
  EXPECT_EQ(fitted.pixels[0], 25);
  EXPECT_EQ(fitted.pixels[3], 130);
  EXPECT_EQ(fitted.pixels[6], 255);
  EXPECT_EQ(fitted.pixels[9], 255);
  const Image square = noise(16, 16, 3);
  EXPECT_EQ(fit_square(square, 16).pixels, square.pixels);
}

TEST(ImageFile, FitSquareKeepsFlatColoursAndMeans) {
  for (const auto& [width, height] :
       {std::pair<int64_t, int64_t>{7, 5}, {136, 128}, {1, 300}, {300, 1}, {64, 64}}) {
    const Image flat{width, height, 3, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 77)};
    const Image fitted = fit_square(flat, 64);
    ASSERT_EQ(fitted.pixels.size(), size_t{64 * 64 * 3});
    for (const uint8_t value : fitted.pixels) ASSERT_TRUE(value == 77 || value == 255) << int{value};
    EXPECT_EQ(fitted.pixels[(31 * 64 + 31) * 3], 77);
  }
  const Image grown = fit_square(gradient(8, 8), 32);
  for (int64_t x = 1; x < 32; ++x) EXPECT_GE(grown.pixels[x * 3], grown.pixels[(x - 1) * 3]);
}

}  // namespace
}  // namespace mom::formats
