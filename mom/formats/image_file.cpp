#include "mom/formats/image_file.h"

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/formats/image_decoders.h"
#include "mom/formats/media_kinds.h"

namespace mom::formats {
namespace {

StoredImage decode_stored(Bytes bytes, std::string_view where, const ImageLimits& limits) {
  if (has_at(bytes, 0, "\x89PNG")) return decode_png(bytes, where, limits);
  if (has_at(bytes, 0, "\xff\xd8\xff")) return decode_jpeg(bytes, where, limits);
  if (has_at(bytes, 0, "RIFF") && has_at(bytes, 8, "WEBP")) return decode_webp(bytes, where, limits);
  if (has_at(bytes, 0, "GIF8")) return decode_gif(bytes, where, limits);
  throw InputError(
      {std::string(where), std::string(kReadableImages), name_of_content(bytes), std::string(kConvertImage)});
}

}  // namespace

void fail_image(std::string_view where, const std::string& expected, const std::string& found) {
  throw InputError({std::string(where), expected, found, "replace or remove the file"});
}

Image make_image(int64_t width, int64_t height, int64_t channels, std::string_view where,
                 const ImageLimits& limits) {
  const std::string found = std::to_string(width) + " x " + std::to_string(height);
  if (width < 1 || height < 1) fail_image(where, "an image with pixels", found);
  if (width > limits.max_side || height > limits.max_side || width > limits.max_pixels / height)
    fail_image(where,
               "an image of at most " + std::to_string(limits.max_side) + " pixels per side and " +
                   std::to_string(limits.max_pixels) + " in all",
               found);
  Image image{width, height, channels, {}};
  image.pixels.resize(static_cast<size_t>(width * height * channels));
  return image;
}

void check_encodable(const Image& image) {
  if ((image.channels == 3 || image.channels == 4) && image.width > 0 && image.height > 0 &&
      image.pixels.size() == static_cast<size_t>(image.width * image.height * image.channels))
    return;
  throw Error(ExitCode::kInternal, "image: pixels do not fit " + std::to_string(image.width) + " x " +
                                       std::to_string(image.height) + " x " + std::to_string(image.channels));
}

Image decode_image(Bytes bytes, std::string_view where, const ImageLimits& limits) {
  StoredImage stored = decode_stored(bytes, where, limits);
  if (stored.animated)
    log_once("image: animation",
             std::string(where) + ": an animation; its first frame is the image (said once)");
  const int orientation = orientation_of(stored.exif, stored.xmp);
  return turn_upright(to_srgb(std::move(stored), where), orientation);
}

}  // namespace mom::formats
