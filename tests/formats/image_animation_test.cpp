// GIF, and the first frame of animations of all kinds.
#include <gtest/gtest.h>

#include "mom/base/random.h"
#include "tests/support/image_metadata.h"

namespace mom::formats {
namespace {

using test::decode_bytes, test::image_error_of;

using test::GifFrame, test::make_gif;

const std::vector<GifColorType> kPalette = {{10, 20, 30}, {200, 100, 50}, {0, 255, 0}, {255, 255, 255}};

std::vector<uint8_t> random_indices(int count) {
  RandomStream random(11);
  std::vector<uint8_t> indices;
  for (int i = 0; i < count; ++i) indices.push_back(static_cast<uint8_t>(random.below(4)));
  return indices;
}

void expect_colours(const Image& image, const std::vector<uint8_t>& indices,
                    const std::vector<GifColorType>& palette) {
  ASSERT_EQ(image.pixels.size(), indices.size() * static_cast<size_t>(image.channels));
  for (size_t i = 0; i < indices.size(); ++i) {
    const uint8_t* pixel = &image.pixels[i * static_cast<size_t>(image.channels)];
    const GifColorType& colour = palette[indices[i]];
    ASSERT_TRUE(pixel[0] == colour.Red && pixel[1] == colour.Green && pixel[2] == colour.Blue)
        << "pixel " << i;
  }
}

TEST(Gif, PaletteOfTheFileOrOfTheFrameInterlacedOrNot) {
  const auto indices = random_indices(21 * 13);
  std::vector<GifColorType> own = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {250, 251, 252}};
  for (const bool interlaced : {false, true}) {
    const Image shared =
        decode_bytes(make_gif(21, 13, kPalette, {{0, 0, 21, 13, indices, {}, -1, interlaced}}));
    EXPECT_EQ(shared.channels, 3);
    expect_colours(shared, indices, kPalette);
    expect_colours(decode_bytes(make_gif(21, 13, kPalette, {{0, 0, 21, 13, indices, own, -1, interlaced}})),
                   indices, own);
    expect_colours(decode_bytes(make_gif(21, 13, {}, {{0, 0, 21, 13, indices, own, -1, interlaced}})),
                   indices, own);
  }
}

TEST(Gif, TheTransparentIndexIsTransparent) {
  const auto indices = random_indices(64);
  const Image image = decode_bytes(make_gif(8, 8, kPalette, {{0, 0, 8, 8, indices, {}, 2}}));
  ASSERT_EQ(image.channels, 4);
  expect_colours(image, indices, kPalette);
  for (size_t i = 0; i < indices.size(); ++i) EXPECT_EQ(image.pixels[i * 4 + 3], indices[i] == 2 ? 0 : 255);
}

TEST(Gif, WhatTheFrameDoesNotCoverIsTransparent) {
  const Image image = decode_bytes(make_gif(4, 3, kPalette, {{1, 1, 2, 2, {0, 1, 1, 0}}}));
  ASSERT_EQ(image.channels, 4);
  ASSERT_EQ(image.width, 4);
  ASSERT_EQ(image.height, 3);
  const std::string covered = "....\n.01.\n.10.\n";
  std::string found;
  for (int y = 0; y < 3; ++y) {
    for (int x = 0; x < 4; ++x) {
      const uint8_t* pixel = &image.pixels[static_cast<size_t>((y * 4 + x) * 4)];
      found += pixel[3] == 0 ? '.' : pixel[0] == 10 ? '0' : '1';
    }
    found += '\n';
  }
  EXPECT_EQ(found, covered);
  // A frame beyond the screen makes the canvas larger.
  EXPECT_EQ(decode_bytes(make_gif(1, 1, kPalette, {{0, 0, 2, 2, {0, 1, 1, 0}}})).width, 2);
}

TEST(Gif, FaultsAreNamed) {
  const std::string whole = make_gif(1, 1, kPalette, {{0, 0, 1, 1, {0}}});
  const size_t palette = 13, frame = whole.find(','), num_palette_bytes = 12;
  std::string no_frame = whole.substr(0, palette + num_palette_bytes) + ";";
  EXPECT_NE(image_error_of(no_frame).find("a GIF with an image, found none"), std::string::npos)
      << image_error_of(no_frame);
  std::string no_palette = whole;
  no_palette[10] = 0;
  no_palette.erase(palette, num_palette_bytes);
  EXPECT_NE(image_error_of(no_palette).find("a GIF with a table of colours"), std::string::npos)
      << image_error_of(no_palette);
  std::string no_pixels = whole;
  no_pixels[frame + 5] = 0;
  EXPECT_NE(image_error_of(no_pixels).find("an image with pixels"), std::string::npos)
      << image_error_of(no_pixels);
  const std::string large = make_gif(40, 10, kPalette, {{0, 0, 40, 10, random_indices(400)}});
  EXPECT_NE(image_error_of(large, {39, 1000}).find("found 40 x 10"), std::string::npos);
  EXPECT_NE(image_error_of(large, {40, 399}).find("found 40 x 10"), std::string::npos);
}

TEST(Gif, EveryTruncationOfThePixelsIsRefused) {
  const std::string whole = make_gif(24, 24, kPalette, {{0, 0, 24, 24, random_indices(576)}});
  // Without the last byte, the end of the file, all pixels are there.
  EXPECT_EQ(image_error_of(whole.substr(0, whole.size() - 1)), "no error");
  for (size_t size = 0; size + 1 < whole.size(); ++size)
    EXPECT_NE(image_error_of(whole.substr(0, size)), "no error") << size << " of " << whole.size();
}

TEST(Animation, OfEveryKindGivesItsFirstFrame) {
  const std::vector<uint8_t> indices = {0, 1, 2, 0, 1, 2, 1, 2, 0, 2, 1, 0};
  Image first{4, 3, 3, {}};
  for (const uint8_t index : indices)
    for (const uint8_t value : {kPalette[index].Red, kPalette[index].Green, kPalette[index].Blue})
      first.pixels.push_back(value);
  const std::vector<uint8_t> white(12, 3);
  for (const auto& [name, bytes] :
       {std::pair<std::string, std::string>{
            "gif", make_gif(4, 3, kPalette, {{0, 0, 4, 3, indices}, {0, 0, 4, 3, white}})},
        {"png", test::make_animated_png(first)},
        {"webp", test::make_animated_webp(first, 4, 3, 0, 0)}}) {
    testing::internal::CaptureStderr();
    const Image image = blend_on_white(decode_bytes(bytes));
    EXPECT_EQ(image.width, 4) << name;
    EXPECT_EQ(image.height, 3) << name;
    EXPECT_EQ(image.pixels, first.pixels) << name;
    // Once in a process, for the first file: further ones are silent.
    const std::string log = testing::internal::GetCapturedStderr();
    if (name == "gif") {
      EXPECT_NE(log.find("sample: an animation; its first frame is the image"), std::string::npos) << log;
    } else {
      EXPECT_EQ(log, "") << name;
    }
  }
}

TEST(Animation, WebpFramesLieOnATransparentCanvas) {
  const Image first{2, 2, 3, std::vector<uint8_t>(12, 100)};
  const Image image = decode_bytes(test::make_animated_webp(first, 6, 4, 2, 2));
  ASSERT_EQ(image.channels, 4);
  ASSERT_EQ(image.width, 6);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 6; ++x) {
      const bool covered = x >= 2 && x < 4 && y >= 2;
      EXPECT_EQ(image.pixels[static_cast<size_t>((y * 6 + x) * 4 + 3)], covered ? 255 : 0) << x << ", " << y;
    }
}

}  // namespace
}  // namespace mom::formats
