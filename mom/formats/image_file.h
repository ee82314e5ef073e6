// PNG, JPEG, WebP and GIF to 8-bit RGB or RGBA; PNG and WebP from it. Sizes are checked before pixels are decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mom::formats {

// Interleaved 8-bit pixels, row by row, `channels` 3 (RGB) or 4 (RGBA, straight alpha).
struct Image {
  int64_t width = 0, height = 0, channels = 3;
  std::vector<uint8_t> pixels;
};

struct ImageLimits {
  int64_t max_side = 16384;
  int64_t max_pixels = int64_t{1} << 26;
};

// An image as a person sees it: upright, and 8-bit RGB(A) in sRGB. The format is recognised by the first bytes, not by
// a name. What files have beyond pixels, and what becomes of it:
//
//   orientation        EXIF's (JPEG, PNG, WebP), or XMP's where EXIF has none: turned, as Pillow's exif_transpose
//   ICC profile        converted, perceptual intent; a profile that makes no visible difference is skipped
//   PNG gAMA, cHRM     converted where neither a profile nor sRGB is stated; gAMA within 5% of 1/2.2 is sRGB's curve
//   PNG cICP           (video, HDR) not followed: the numbers are taken as sRGB, logged once
//   CMYK, YCCK         by the profile, else (1 - ink) * (1 - black); inverted where an Adobe marker says so
//   16 bits            scaled and rounded, after the conversion of colours
//   palette, grey      expanded to RGB
//   transparency       kept as straight alpha (tRNS and GIF's transparent index too); see blend_on_white
//   animation          the first frame (PNG: the image that programs without animation show), logged once
//   background colour  ignored; what a GIF's first frame leaves uncovered is transparent
//   thumbnails, further images of MPO files, pixel density: ignored
//
// Progressive and arithmetic JPEG and interlaced PNG and GIF are read. InputError, which begins with `where`: anything
// damaged or incomplete, other kinds of files (by name), 12-bit and lossless JPEG. Damaged EXIF, XMP and profiles are
// ignored (profiles: logged once).
Image decode_image(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits = {});

std::string encode_png(const Image& image);
std::string encode_webp_lossless(const Image& image);

// Alpha blended over white; an RGB image comes back as it is.
Image blend_on_white(const Image& image);

// Area-averaging when shrinking, bilinear when growing; the image is fitted inside the square by its longer
// side and centred on white (nothing is cut off, since images may have content up to the border).
Image fit_square(const Image& rgb, int64_t side);
// Copies `rgb` into the RGB image `canvas`, where it must fit with its top left corner at (left, top).
void paste(Image& canvas, const Image& rgb, int64_t left, int64_t top);

}  // namespace mom::formats
