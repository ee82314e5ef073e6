// What image_file.cpp chooses from: one decoder and encoder per format. Internal to mom/formats.
#pragma once

#include "mom/formats/image_file.h"
#include "mom/formats/magic.h"

namespace mom::formats {

Image decode_png(Bytes bytes, std::string_view where, const ImageLimits& limits);
Image decode_jpeg(Bytes bytes, std::string_view where, const ImageLimits& limits);
Image decode_webp(Bytes bytes, std::string_view where, const ImageLimits& limits);

[[noreturn]] void fail_image(std::string_view where, const std::string& expected, const std::string& found);
// Checks a stated size against the limits and allocates the image.
Image make_image(int64_t width, int64_t height, int64_t channels, std::string_view where,
                 const ImageLimits& limits);
void check_encodable(const Image& image);  // pixels that do not match the size are a defect of ours

}  // namespace mom::formats
