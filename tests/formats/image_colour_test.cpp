// Colours of all kinds become sRGB. Pillow's ImageCms as oracle: tests/e2e/media_oracle_test.py
#include <gtest/gtest.h>
#include <lcms2.h>

#include <cmath>

#include "tests/support/image_metadata.h"

namespace mom::formats {
namespace {

using test::decode_bytes;

using Rgb = std::array<double, 3>;

double srgb_encode(double light) {
  return light <= 0.0031308 ? 12.92 * light : 1.055 * std::pow(light, 1 / 2.4) - 0.055;
}

void expect_pixel(const Image& image, size_t index, const Rgb& expected, double tolerance) {
  for (size_t c = 0; c < 3; ++c)
    EXPECT_NEAR(image.pixels[index * static_cast<size_t>(image.channels) + c], expected[c], tolerance)
        << "pixel " << index << ", channel " << c;
}

std::string bytes_of(cmsHPROFILE profile) {
  cmsUInt32Number size = 0;
  cmsSaveProfileToMem(profile, nullptr, &size);
  std::string bytes(size, '\0');
  cmsSaveProfileToMem(profile, bytes.data(), &size);
  cmsCloseProfile(profile);
  return bytes;
}

// An RGB profile with the primaries of sRGB and the curve.
std::string rgb_profile(cmsToneCurve* curve) {
  const cmsCIExyY white{0.3127, 0.3290, 1};
  const cmsCIExyYTRIPLE primaries{{0.64, 0.33, 1}, {0.30, 0.60, 1}, {0.15, 0.06, 1}};
  cmsToneCurve* curves[] = {curve, curve, curve};
  const std::string bytes = bytes_of(cmsCreateRGBProfile(&white, &primaries, curves));
  cmsFreeToneCurve(curve);
  return bytes;
}

std::string rgb_profile(double gamma) { return rgb_profile(cmsBuildGamma(nullptr, gamma)); }

// sRGB as some programs write it: its curve as a short table, which moves some colours by 1.
std::string tabulated_srgb_profile() {
  std::vector<cmsUInt16Number> table;
  for (int i = 0; i < 22; ++i) {
    const double value = i / 21.0;
    const double light = value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
    table.push_back(static_cast<cmsUInt16Number>(std::lround(light * 65535)));
  }
  return rgb_profile(cmsBuildTabulatedToneCurve16(nullptr, 22, table.data()));
}

std::string grey_profile(double gamma) {
  cmsToneCurve* curve = cmsBuildGamma(nullptr, gamma);
  const std::string bytes = bytes_of(cmsCreateGrayProfile(cmsD50_xyY(), curve));
  cmsFreeToneCurve(curve);
  return bytes;
}

// Inks of a strange press: cyan, magenta and yellow do nothing, and black is a straight line in lightness.
std::string cmyk_profile() {
  cmsHPROFILE profile = cmsCreateProfilePlaceholder(nullptr);
  cmsSetProfileVersion(profile, 2.1);
  cmsSetDeviceClass(profile, cmsSigOutputClass);
  cmsSetColorSpace(profile, cmsSigCmykData);
  cmsSetPCS(profile, cmsSigLabData);
  std::vector<cmsUInt16Number> table;
  for (int i = 0; i < 16; ++i)  // the last input, black, changes fastest
    for (const int value : {i % 2 == 0 ? 0xFF00 : 0, 0x8000, 0x8000})
      table.push_back(static_cast<cmsUInt16Number>(value));
  cmsPipeline* pipeline = cmsPipelineAlloc(nullptr, 4, 3);
  cmsPipelineInsertStage(pipeline, cmsAT_END, cmsStageAllocCLut16bit(nullptr, 2, 4, 3, table.data()));
  cmsWriteTag(profile, cmsSigAToB0Tag, pipeline);
  cmsPipelineFree(pipeline);
  return bytes_of(profile);
}

std::string icc_marker(const std::string& part, int index, int count) {
  return std::string("ICC_PROFILE\0", 12) + static_cast<char>(index) + static_cast<char>(count) + part;
}

std::string jpeg_with_profile(const std::string& jpeg, const std::string& profile) {
  return test::with_jpeg_marker(jpeg, 0xE2, icc_marker(profile, 1, 1));
}

std::string webp_with_profile(const Image& image, const std::string& profile) {
  const uint32_t flags = test::kWebpIcc | (image.channels == 4 ? test::kWebpAlpha : 0);
  return test::webp_file(test::webp_header(flags, image.width, image.height) +
                         test::riff_chunk("ICCP", profile) + test::webp_pixels(image));
}

// PNG keeps profiles compressed; a stored block of deflate is enough. `png` is without one.
std::string png_with_profile(const std::string& png, const std::string& profile) {
  const auto size = static_cast<uint32_t>(profile.size());
  EXPECT_LT(size, 65536u);
  uint32_t a = 1, b = 0;
  for (const char c : profile) a = (a + static_cast<uint8_t>(c)) % 65521, b = (b + a) % 65521;
  const std::string deflated = "\x78\x01\x01" + test::number(size, 2, false) +
                               test::number(~size & 0xFFFF, 2, false) + profile +
                               test::number(b << 16 | a, 4, true);
  return test::with_png_chunk(png, "iCCP", std::string("p\0\0", 3) + deflated);
}

const Image kThree{3, 1, 3, {255, 255, 255, 128, 64, 200, 0, 0, 0}};

Rgb converted(const Rgb& stored, double gamma) {
  Rgb result;
  for (size_t c = 0; c < 3; ++c) result[c] = 255 * srgb_encode(std::pow(stored[c] / 255, gamma));
  return result;
}

TEST(ImageColour, ProfilesAreFollowedInEveryFormat) {
  const std::string profile = rgb_profile(1.4);
  const Rgb expected = converted({128, 64, 200}, 1.4);
  for (const Image& image : {decode_bytes(png_with_profile(encode_png(kThree), profile)),
                             decode_bytes(webp_with_profile(kThree, profile))}) {
    expect_pixel(image, 0, {255, 255, 255}, 0);
    expect_pixel(image, 1, expected, 1);
    expect_pixel(image, 2, {0, 0, 0}, 0);
  }
  std::vector<uint8_t> flat;
  for (int i = 0; i < 64; ++i) flat.insert(flat.end(), {128, 64, 200});
  const std::string jpeg = test::make_jpeg(8, 8, flat, 3, JCS_RGB, false);
  expect_pixel(decode_bytes(jpeg_with_profile(jpeg, profile)), 0, expected, 3);  // JPEG's own loss, and 1
  // In two markers, the second one first.
  const std::string two =
      test::with_jpeg_marker(test::with_jpeg_marker(jpeg, 0xE2, icc_marker(profile.substr(0, 100), 1, 2)),
                             0xE2, icc_marker(profile.substr(100), 2, 2));
  expect_pixel(decode_bytes(two), 0, expected, 3);
}

TEST(ImageColour, AlphaIsKeptByProfiles) {
  const Image image{2, 1, 4, {128, 64, 200, 77, 10, 20, 30, 0}};
  for (const Image& found : {decode_bytes(png_with_profile(encode_png(image), rgb_profile(1.4))),
                             decode_bytes(webp_with_profile(image, rgb_profile(1.4)))}) {
    ASSERT_EQ(found.channels, 4);
    expect_pixel(found, 0, converted({128, 64, 200}, 1.4), 1);
    EXPECT_EQ(found.pixels[3], 77);
    EXPECT_EQ(found.pixels[7], 0);
  }
}

TEST(ImageColour, AProfileOfSrgbLeavesEveryPixelAsItIs) {
  Image image{256, 3, 3, {}};
  for (int i = 0; i < 256 * 3; ++i)
    for (const int value : {i, i * 7, i * 31}) image.pixels.push_back(static_cast<uint8_t>(value));
  for (const std::string& profile : {bytes_of(cmsCreate_sRGBProfile()), tabulated_srgb_profile()}) {
    EXPECT_EQ(decode_bytes(png_with_profile(encode_png(image), profile)).pixels, image.pixels);
    EXPECT_EQ(decode_bytes(webp_with_profile(image, profile)).pixels, image.pixels);
  }
}

TEST(ImageColour, GreyProfiles) {
  const std::string profile = grey_profile(1.4);
  const std::string png = test::make_png(2, 1, {{128, 255}}, {8, PNG_COLOR_TYPE_GRAY});
  const Image image = decode_bytes(png_with_profile(png, profile));
  ASSERT_EQ(image.channels, 3);
  expect_pixel(image, 0, converted({128, 128, 128}, 1.4), 1);
  expect_pixel(image, 1, {255, 255, 255}, 0);
  const std::string alpha = test::make_png(1, 1, {{128, 99}}, {8, PNG_COLOR_TYPE_GRAY_ALPHA});
  const Image with_alpha = decode_bytes(png_with_profile(alpha, profile));
  ASSERT_EQ(with_alpha.channels, 4);
  expect_pixel(with_alpha, 0, converted({128, 128, 128}, 1.4), 1);
  EXPECT_EQ(with_alpha.pixels[3], 99);
  const std::string jpeg = test::make_jpeg(8, 8, std::vector<uint8_t>(64, 128), 1, JCS_GRAYSCALE, false);
  expect_pixel(decode_bytes(jpeg_with_profile(jpeg, profile)), 0, converted({128, 128, 128}, 1.4), 2);
}

TEST(ImageColour, CmykByItsProfile) {
  std::vector<uint8_t> ink;
  for (int i = 0; i < 64; ++i) ink.insert(ink.end(), {255, 200, 100, 255 - 128});  // Adobe's: 255 is no ink
  const std::string jpeg = test::make_jpeg(8, 8, ink, 4, JCS_CMYK, true);
  EXPECT_NE(decode_bytes(jpeg).pixels[0],
            decode_bytes(jpeg).pixels[2]);  // without a profile, yellow ink counts
  const Image image = decode_bytes(jpeg_with_profile(jpeg, cmyk_profile()));
  ASSERT_EQ(image.channels, 3);
  expect_pixel(image, 0, {118, 118, 118}, 3);  // L* = 49.8
}

TEST(ImageColour, ProfilesThatDoNotFitAreLeftOut) {
  const std::string png = encode_png(kThree);
  std::string damaged = rgb_profile(1.4);
  damaged.resize(60);
  for (const std::string& bytes : {png_with_profile(png, damaged), png_with_profile(png, grey_profile(1.4)),
                                   png_with_profile(png, "")}) {
    EXPECT_EQ(decode_bytes(bytes).pixels, kThree.pixels);
  }
  for (const std::string& profile : {damaged, grey_profile(1.4), cmyk_profile(), std::string()})
    EXPECT_EQ(decode_bytes(webp_with_profile(kThree, profile)).pixels, kThree.pixels);
  const std::string jpeg = test::make_jpeg(8, 8, std::vector<uint8_t>(192, 128), 3, JCS_RGB, false);
  const std::vector<uint8_t> plain = decode_bytes(jpeg).pixels;
  for (const std::string& bad :
       {icc_marker("", 0, 0), icc_marker(rgb_profile(1.4), 2, 1), icc_marker(rgb_profile(1.4), 1, 2)})
    EXPECT_EQ(decode_bytes(test::with_jpeg_marker(jpeg, 0xE2, bad)).pixels, plain);
}

std::string gama(double gamma) { return test::number(static_cast<uint32_t>(gamma * 100000 + 0.5), 4, true); }

TEST(ImageColour, GammaOfPngs) {
  const std::string png = encode_png(kThree);
  for (const double gamma : {1.0, 0.55, 1 / 1.8, 1 / 2.6}) {
    const Image image = decode_bytes(test::with_png_chunk(png, "gAMA", gama(gamma)));
    expect_pixel(image, 0, {255, 255, 255}, 0);
    expect_pixel(image, 1, converted({128, 64, 200}, 1 / gamma), 1);
    expect_pixel(image, 2, {0, 0, 0}, 0);
  }
  EXPECT_EQ(decode_bytes(test::with_png_chunk(png, "gAMA", gama(0.45455))).pixels, kThree.pixels);
  EXPECT_EQ(decode_bytes(test::with_png_chunk(test::with_png_chunk(png, "gAMA", gama(1)), "sRGB",
                                              std::string(1, '\0')))
                .pixels,
            kThree.pixels);
  for (const uint32_t nonsense : {0u, 1u, 0x7FFFFFFFu, 0xFFFFFFFFu})
    EXPECT_NO_THROW(decode_bytes(test::with_png_chunk(png, "gAMA", test::number(nonsense, 4, true))));
}

TEST(ImageColour, ChromaticitiesOfPngs) {
  const auto chrm = [](const std::array<double, 8>& xy) {
    std::string data;
    for (const double value : xy) data += gama(value);
    return data;
  };
  const std::string png = encode_png({1, 1, 3, {200, 50, 50}});
  const std::string srgb = chrm({0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06});
  EXPECT_EQ(decode_bytes(test::with_png_chunk(test::with_png_chunk(png, "gAMA", gama(0.45455)), "cHRM", srgb))
                .pixels,
            (std::vector<uint8_t>{200, 50, 50}));
  // Display P3 has a redder red: the same numbers are a stronger colour, which sRGB writes with larger ones.
  // By the matrices of both spaces (CSS Color 4): 217.9, 23.7, 40.0.
  const std::string p3 = chrm({0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060});
  expect_pixel(decode_bytes(test::with_png_chunk(png, "cHRM", p3)), 0, {217.9, 23.7, 40.0}, 1);
}

// Light itself in 16 bits: dark tones have to be converted before they are cut to 8.
TEST(ImageColour, SixteenBitsAreConvertedBeforeTheyAreRounded) {
  std::vector<uint8_t> row;
  const std::vector<int> samples = {20, 100, 300, 1000, 40000, 65535};
  for (const int value : samples)
    row.push_back(static_cast<uint8_t>(value >> 8)), row.push_back(static_cast<uint8_t>(value));
  const std::string png = test::make_png(2, 1, {row}, {16, PNG_COLOR_TYPE_RGB});
  const Image image = decode_bytes(test::with_png_chunk(png, "gAMA", gama(1)));
  for (size_t i = 0; i < 6; ++i)
    EXPECT_NEAR(image.pixels[i], 255 * srgb_encode(samples[i] / 65535.0), 1) << samples[i];
}

TEST(ImageColour, VideoColoursOfPngsAreSaid) {
  testing::internal::CaptureStderr();
  const Image image =
      decode_bytes(test::with_png_chunk(encode_png(kThree), "cICP", std::string("\x09\x10\x00\x01", 4)));
  EXPECT_EQ(image.pixels, kThree.pixels);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("high dynamic range (cICP)"), std::string::npos);
}

}  // namespace
}  // namespace mom::formats
