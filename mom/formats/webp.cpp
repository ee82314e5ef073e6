#include <webp/decode.h>
#include <webp/encode.h>

#include "mom/base/error.h"
#include "mom/formats/image_kinds.h"

namespace mom::formats {

Image decode_webp(Bytes bytes, std::string_view where, const ImageLimits& limits) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK)
    fail_image(where, "a whole WebP", "a damaged or truncated header");
  if (features.has_animation) fail_image(where, "a still image", "an animated WebP");
  Image image = make_image(features.width, features.height, features.has_alpha ? 4 : 3, where, limits);
  const int stride = static_cast<int>(image.width * image.channels);
  auto* decode = features.has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (!decode(data, bytes.size(), image.pixels.data(), image.pixels.size(), stride))
    fail_image(where, "a whole WebP", "damaged or truncated pixels");
  return image;
}

namespace {

struct Encoder {
  Encoder() {
    if (!WebPPictureInit(&picture) || !WebPConfigInit(&config) || !WebPConfigLosslessPreset(&config, 6))
      throw Error(ExitCode::kInternal, "libwebp: headers and library have different versions");
    WebPMemoryWriterInit(&memory);
  }
  ~Encoder() {
    WebPPictureFree(&picture);
    WebPMemoryWriterClear(&memory);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  WebPPicture picture;
  WebPConfig config;
  WebPMemoryWriter memory;
};

}  // namespace

std::string encode_webp_lossless(const Image& image) {
  check_encodable(image);
  Encoder encoder;
  encoder.config.exact = 1;  // keep colours under full transparency
  encoder.picture.use_argb = 1;
  encoder.picture.width = static_cast<int>(image.width);
  encoder.picture.height = static_cast<int>(image.height);
  encoder.picture.writer = WebPMemoryWrite;
  encoder.picture.custom_ptr = &encoder.memory;
  auto* import = image.channels == 4 ? WebPPictureImportRGBA : WebPPictureImportRGB;
  if (!import(&encoder.picture, image.pixels.data(), static_cast<int>(image.width * image.channels)) ||
      !WebPEncode(&encoder.config, &encoder.picture))
    throw Error(ExitCode::kInternal,
                "encode_webp: libwebp error " + std::to_string(static_cast<int>(encoder.picture.error_code)));
  return std::string(reinterpret_cast<const char*>(encoder.memory.mem), encoder.memory.size);
}

}  // namespace mom::formats
