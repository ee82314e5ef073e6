// Which way up an image is: EXIF and XMP in every format that carries them. Pillow's answers: tests/e2e/media_oracle_test.py
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "mom/base/random.h"
#include "tests/support/image_metadata.h"

namespace mom::formats {
namespace {

using test::decode_bytes;

// Six pixels of different greys:  0 1 2
//                                 3 4 5
Image six_pixels() {
  Image image{3, 2, 3, {}};
  for (int i = 0; i < 6; ++i) image.pixels.insert(image.pixels.end(), 3, static_cast<uint8_t>(i * 40));
  return image;
}

// "012/345": the greys of six_pixels, row by row.
std::string layout(const Image& image) {
  std::string rows;
  for (int64_t y = 0; y < image.height; ++y) {
    if (y > 0) rows += '/';
    for (int64_t x = 0; x < image.width; ++x)
      rows += static_cast<char>(
          '0' + (image.pixels[static_cast<size_t>((y * image.width + x) * image.channels)] + 20) / 40);
  }
  return rows;
}

// EXIF 2.32, 4.6.4: what a viewer shows for each value.
const char* const kUpright[] = {"012/345",  "210/543",  "543/210",  "345/012",
                                "03/14/25", "30/41/52", "52/41/30", "25/14/03"};

std::string jpeg_of_six() {  // blocks of 16 pixels, each of one grey: exact enough to tell them apart
  const Image six = six_pixels();
  std::vector<uint8_t> pixels;
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 48; ++x)
      pixels.insert(pixels.end(), 3, six.pixels[static_cast<size_t>((y / 16 * 3 + x / 16) * 3)]);
  return test::make_jpeg(48, 32, pixels, 3, JCS_RGB, false);
}

Image every_sixteenth(const Image& image) {
  Image small{image.width / 16, image.height / 16, 3, {}};
  for (int64_t y = 8; y < image.height; y += 16)
    for (int64_t x = 8; x < image.width; x += 16) {
      const auto pixel = image.pixels.begin() + (y * image.width + x) * 3;
      small.pixels.insert(small.pixels.end(), pixel, pixel + 3);
    }
  return small;
}

std::string webp_of_six(uint32_t flag, const std::string& chunk, const std::string& data) {
  return test::webp_file(test::webp_header(flag, 3, 2) + test::webp_pixels(six_pixels()) +
                         test::riff_chunk(chunk, data));
}

std::string raw_profile(const std::string& data) {
  std::string digits;
  for (const char c : data) {
    constexpr const char* kDigits = "0123456789abcdef";
    digits += kDigits[static_cast<uint8_t>(c) >> 4];
    digits += kDigits[static_cast<uint8_t>(c) & 15];
    if (digits.size() % 73 == 72) digits += '\n';
  }
  return std::string("Raw profile type exif\0", 22) + "\nexif\n      " + std::to_string(data.size()) + "\n" +
         digits + "\n";
}

// Puts EXIF or XMP into a file, in each of the ways that exist.
using Put = std::function<std::string(const std::string&)>;
const std::string kPrefix("Exif\0\0", 6), kXmpName("http://ns.adobe.com/xap/1.0/\0", 29);
const std::map<std::string, Put> kExifFiles = {
    {"jpeg", [](const std::string& d) { return test::with_jpeg_marker(jpeg_of_six(), 0xE1, kPrefix + d); }},
    {"png", [](const std::string& d) { return test::with_png_chunk(encode_png(six_pixels()), "eXIf", d); }},
    {"png_behind_pixels",
     [](const std::string& d) { return test::with_png_chunk(encode_png(six_pixels()), "eXIf", d, true); }},
    {"png_raw_profile",
     [](const std::string& d) {
       return test::with_png_chunk(encode_png(six_pixels()), "tEXt", raw_profile(kPrefix + d));
     }},
    {"webp", [](const std::string& d) { return webp_of_six(test::kWebpExif, "EXIF", d); }},
    {"webp_with_prefix",
     [](const std::string& d) { return webp_of_six(test::kWebpExif, "EXIF", kPrefix + d); }}};
const std::map<std::string, Put> kXmpFiles = {
    {"jpeg", [](const std::string& d) { return test::with_jpeg_marker(jpeg_of_six(), 0xE1, kXmpName + d); }},
    {"png",
     [](const std::string& d) {
       return test::with_png_chunk(encode_png(six_pixels()), "iTXt",
                                   std::string("XML:com.adobe.xmp\0\0\0\0\0", 22) + d);
     }},
    {"webp", [](const std::string& d) { return webp_of_six(test::kWebpXmp, "XMP ", d); }}};

std::string layout_of_file(const std::string& bytes) {
  const Image image = decode_bytes(bytes);
  return layout(image.width * image.height == 6 ? image : every_sixteenth(image));
}

TEST(ImageOrientation, AllEightInEveryFormatAndByteOrder) {
  for (const auto& [name, put] : kExifFiles)
    for (const bool big_endian : {false, true})
      for (uint32_t orientation = 1; orientation <= 8; ++orientation)
        for (const uint32_t type : {3u, 4u})
          EXPECT_EQ(layout_of_file(put(test::exif(orientation, big_endian, type))), kUpright[orientation - 1])
              << name << ", orientation " << orientation << (big_endian ? ", MM" : ", II") << ", type "
              << type;
}

TEST(ImageOrientation, XmpCountsWhereExifIsSilent) {
  for (const auto& [name, put] : kXmpFiles)
    for (uint32_t orientation = 1; orientation <= 8; ++orientation)
      EXPECT_EQ(layout_of_file(put(test::xmp(orientation))), kUpright[orientation - 1]) << name;
  const std::string both =
      test::with_jpeg_marker(kXmpFiles.at("jpeg")(test::xmp(3)), 0xE1, kPrefix + test::exif(6, true));
  EXPECT_EQ(layout_of_file(both), kUpright[6 - 1]);
}

TEST(ImageOrientation, AlphaTurnsWithThePixels) {
  Image image = six_pixels();
  Image alpha{3, 2, 4, {}};
  for (int i = 0; i < 6; ++i)
    for (const int value : {i * 40, i * 40, i * 40, 255 - i})
      alpha.pixels.push_back(static_cast<uint8_t>(value));
  const Image turned = decode_bytes(test::with_png_chunk(encode_png(alpha), "eXIf", test::exif(6, false)));
  ASSERT_EQ(turned.channels, 4);
  EXPECT_EQ(layout(turned), "30/41/52");
  EXPECT_EQ(turned.pixels[3], 255 - 3);
}

// Damaged EXIF: the image is readable, so it is read; no orientation is made up from bytes outside.
TEST(ImageOrientation, DamagedExifNeverCostsTheImage) {
  const std::string whole = test::exif(6, true);
  for (const auto& [name, put] : kExifFiles) {
    for (size_t size = 0; size < whole.size(); ++size) {
      const std::string found = layout_of_file(put(whole.substr(0, size)));
      EXPECT_TRUE(found == kUpright[0] || (found == kUpright[5] && size >= 32))
          << name << ", cut at " << size;
    }
    for (const uint32_t nonsense : {0u, 9u, 255u, 65535u})
      EXPECT_EQ(layout_of_file(put(test::exif(nonsense, false))), kUpright[0]) << name;
    RandomStream random(5);
    for (int trial = 0; trial < 200; ++trial) {
      std::string bytes = whole;
      for (int flips = 0; flips < 4; ++flips)
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      EXPECT_NO_THROW(layout_of_file(put(bytes))) << name << ", trial " << trial;
    }
  }
}

// A directory that points to itself, outside, or claims 65,535 entries.
TEST(ImageOrientation, ExifThatPointsAnywhere) {
  for (const uint32_t directory : {0u, 4u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    std::string bytes = test::exif(6, true);
    bytes.replace(4, 4, test::number(directory, 4, true));
    EXPECT_EQ(layout_of_file(kExifFiles.at("jpeg")(bytes)), kUpright[0]);
  }
  std::string many = test::exif(6, true);
  many.replace(8, 2, test::number(0xFFFF, 2, true));
  EXPECT_EQ(layout_of_file(kExifFiles.at("png")(many)), kUpright[5]);
  std::string far = test::exif(6, true, 4);  // 1,000 values of 4 bytes, far away
  far.replace(10 + 12 + 4, 8, test::number(1000, 4, true) + test::number(0xFFFFFFF0u, 4, true));
  EXPECT_EQ(layout_of_file(kExifFiles.at("webp")(far)), kUpright[0]);
}

}  // namespace
}  // namespace mom::formats
