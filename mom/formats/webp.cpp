#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>

#include <algorithm>
#include <memory>

#include "mom/base/error.h"
#include "mom/formats/image_decoders.h"

namespace mom::formats {

namespace {

struct DeleteDecoder {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

std::string metadata_chunk(const WebPDemuxer* demuxer, const char* name) {
  WebPChunkIterator found{};
  std::string bytes;
  if (WebPDemuxGetChunk(demuxer, name, 1, &found))
    bytes.assign(reinterpret_cast<const char*>(found.chunk.bytes), found.chunk.size);
  WebPDemuxReleaseChunkIterator(&found);
  return bytes;
}

void read_still(const WebPData& file, bool has_alpha, std::string_view where, Image& image) {
  auto* decode = has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  const int stride = static_cast<int>(image.width * image.channels);
  if (!decode(file.bytes, file.size, image.pixels.data(), image.pixels.size(), stride))
    fail_image(where, "a whole WebP", "damaged or truncated pixels");
}

// The whole canvas, RGBA, as it is when the first frame has been drawn.
void read_first_frame(const WebPData& file, std::string_view where, Image& image) {
  const std::unique_ptr<WebPAnimDecoder, DeleteDecoder> decoder(WebPAnimDecoderNew(&file, nullptr));
  uint8_t* canvas = nullptr;
  int end_ms = 0;
  if (!decoder || !WebPAnimDecoderGetNext(decoder.get(), &canvas, &end_ms))
    fail_image(where, "a whole WebP", "a damaged or truncated animation");
  std::copy_n(canvas, image.pixels.size(), image.pixels.begin());
}

}  // namespace

StoredImage decode_webp(Bytes bytes, std::string_view where, const ImageLimits& limits) {
  const WebPData file{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.bytes, file.size, &features) != VP8_STATUS_OK)
    fail_image(where, "a whole WebP", "a damaged or truncated header");
  StoredImage stored;
  const bool four = features.has_alpha || features.has_animation;
  stored.image = make_image(features.width, features.height, four ? 4 : 3, where, limits);
  if (features.has_animation) {
    read_first_frame(file, where, stored.image);
  } else {
    read_still(file, features.has_alpha, where, stored.image);
  }
  if (const std::unique_ptr<WebPDemuxer, DeleteDecoder> demuxer{WebPDemux(&file)}) {
    stored.animated = WebPDemuxGetI(demuxer.get(), WEBP_FF_FRAME_COUNT) > 1;
    stored.colours.icc = metadata_chunk(demuxer.get(), "ICCP");
    stored.exif = metadata_chunk(demuxer.get(), "EXIF");
    stored.xmp = metadata_chunk(demuxer.get(), "XMP ");
  }
  return stored;
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
