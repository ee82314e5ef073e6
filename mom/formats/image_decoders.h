// What image_file.cpp chooses from: one decoder per format, and what every image goes through after it.
// Internal to mom/formats.
#pragma once

#include <array>
#include <optional>

#include "mom/formats/image_file.h"
#include "mom/formats/magic.h"

namespace mom::formats {

inline constexpr std::string_view kDamagedProfile = "a damaged colour profile";

// How the numbers of an image are meant. Nothing stated: sRGB.
struct Colours {
  enum class Kind { kGrey, kRgb, kCmyk } kind = Kind::kRgb;
  std::string icc;   // an ICC profile, as in the file
  double gamma = 0;  // exponent of the encoding (PNG's gAMA); 0: sRGB's curve
  std::optional<std::array<double, 8>> chromaticities;  // x and y of white, red, green, blue (PNG's cHRM)
  std::string_view unused;  // what is stated in a way that cannot be followed, for a log line
};

// An image as the file has it: not turned upright, and in its own colours.
struct StoredImage {
  // kGrey: as RGB, three equal channels. kCmyk: four channels of ink, full = maximum.
  Image image;
  int64_t sample_bytes = 1;  // 2: samples of 16 bits in the machine's byte order
  Colours colours;
  std::string exif, xmp;  // empty: none
  bool animated = false;  // the image is the first frame of several
};

StoredImage decode_png(Bytes bytes, std::string_view where, const ImageLimits& limits);
StoredImage decode_jpeg(Bytes bytes, std::string_view where, const ImageLimits& limits);
StoredImage decode_webp(Bytes bytes, std::string_view where, const ImageLimits& limits);
StoredImage decode_gif(Bytes bytes, std::string_view where, const ImageLimits& limits);

// 8-bit RGB or RGBA in sRGB.
Image to_srgb(StoredImage stored, std::string_view where);

// 1 to 8 as in EXIF; 1 (upright) where neither says anything that can be understood.
int orientation_of(std::string_view exif, std::string_view xmp);
// The image as a viewer shows it.
Image turn_upright(Image image, int orientation);

[[noreturn]] void fail_image(std::string_view where, const std::string& expected, const std::string& found);
// Checks a stated size against the limits and allocates the image.
Image make_image(int64_t width, int64_t height, int64_t channels, std::string_view where,
                 const ImageLimits& limits);
void check_encodable(const Image& image);  // pixels that do not match the size are a defect of ours

}  // namespace mom::formats
