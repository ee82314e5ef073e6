// PNG, JPEG and WebP to and from 8-bit RGBA/RGB. Sizes are checked before pixels are decoded.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"

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

// The format is recognised by the first bytes, not by a name. 16-bit, palette, grey, CMYK and interlaced inputs become
// 8-bit RGB(A). Animated WebP and APNG are refused by name (InputError), as is anything damaged.
// `where` names the source.
Image decode_image(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits = {});
Image read_image(const Path& path, const ImageLimits& limits = {});

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
