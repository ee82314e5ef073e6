// What cameras and editors put into image files beside the pixels, and animations.
#pragma once

#include <gif_lib.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/image_files.h"

namespace mom::test {

inline std::string number(uint32_t value, int size, bool big_endian) {
  std::string bytes;
  for (int i = 0; i < size; ++i)
    bytes += static_cast<char>(value >> 8 * (big_endian ? size - 1 - i : i) & 0xFF);
  return bytes;
}

// A TIFF directory with a make ("mom"), the orientation and a resolution.
inline std::string exif(uint32_t orientation, bool big_endian, uint32_t type = 3) {
  const auto n = [&](uint32_t value, int size) { return number(value, size, big_endian); };
  const std::string value = type == 3 ? n(orientation, 2) + n(0, 2) : n(orientation, 4);
  return (big_endian ? "MM" : "II") + n(42, 2) + n(8, 4) + n(3, 2) +   //
         n(0x010F, 2) + n(2, 2) + n(4, 4) + std::string("mom\0", 4) +  //
         n(0x0112, 2) + n(type, 2) + n(1, 4) + value +                 //
         n(0x011A, 2) + n(5, 2) + n(1, 4) + n(50, 4) + n(0, 4) +       //
         n(72, 4) + n(1, 4);
}

inline std::string xmp(uint32_t orientation) {
  return "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:Description tiff:Orientation=\"" +
         std::to_string(orientation) + "\"/></x:xmpmeta>";
}

inline std::string with_jpeg_marker(std::string jpeg, int marker, const std::string& data) {
  const auto size = static_cast<uint32_t>(data.size() + 2);
  return jpeg.insert(2, std::string{'\xff', static_cast<char>(marker)} + number(size, 2, true) + data);
}

inline std::string with_png_chunk(std::string png, const std::string& type, const std::string& data,
                                  bool behind_pixels = false) {
  return png.insert(behind_pixels ? png.size() - 12 : 33, png_chunk(type, data));
}

inline std::string riff_chunk(const std::string& type, const std::string& data) {
  return type + number(static_cast<uint32_t>(data.size()), 4, false) + data +
         std::string(data.size() & 1, '\0');
}

inline std::string webp_file(const std::string& chunks) { return riff_chunk("RIFF", "WEBP" + chunks); }

constexpr uint32_t kWebpAnimation = 0x02, kWebpXmp = 0x04, kWebpExif = 0x08, kWebpAlpha = 0x10,
                   kWebpIcc = 0x20;

inline std::string webp_header(uint32_t flags, int64_t width, int64_t height) {
  return riff_chunk("VP8X", number(flags, 4, false) + number(static_cast<uint32_t>(width - 1), 3, false) +
                                number(static_cast<uint32_t>(height - 1), 3, false));
}

// The chunk of pixels of a plain WebP.
inline std::string webp_pixels(const formats::Image& image) {
  return formats::encode_webp_lossless(image).substr(12);
}

// The first frame is at (left, top) of the canvas, both even; then come as many white ones as it takes.
inline std::string make_animated_webp(const formats::Image& first, int64_t width, int64_t height,
                                      int64_t left, int64_t top, int num_frames = 2) {
  std::string chunks = webp_header(kWebpAnimation | kWebpAlpha, width, height) +
                       riff_chunk("ANIM", std::string("\xff\xff\xff\xff\0\0", 6));
  const auto frame = [&](const formats::Image& image, int64_t x, int64_t y) {
    chunks += riff_chunk("ANMF", number(static_cast<uint32_t>(x / 2), 3, false) +
                                     number(static_cast<uint32_t>(y / 2), 3, false) +
                                     number(static_cast<uint32_t>(image.width - 1), 3, false) +
                                     number(static_cast<uint32_t>(image.height - 1), 3, false) +
                                     number(100, 3, false) + std::string(1, '\0') + webp_pixels(image));
  };
  frame(first, left, top);
  for (int i = 1; i < num_frames; ++i)
    frame({width, height, 3, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 255)}, 0, 0);
  return webp_file(chunks);
}

// The standard PNG image and a second, white frame.
inline std::string make_animated_png(const formats::Image& first) {
  const auto frame = [&](uint32_t sequence) {
    return number(sequence, 4, true) + number(static_cast<uint32_t>(first.width), 4, true) +
           number(static_cast<uint32_t>(first.height), 4, true) + number(0, 4, true) + number(0, 4, true) +
           number(1, 2, true) + number(10, 2, true) + std::string(2, '\0');
  };
  const auto data = [](const formats::Image& image) {
    const std::string png = formats::encode_png(image);
    const size_t at = png.find("IDAT");
    return png.substr(at + 4, png.find("IEND") - 8 - at - 4);
  };
  formats::Image second = first;
  second.pixels.assign(first.pixels.size(), 255);
  std::string png = with_png_chunk(formats::encode_png(first), "fcTL", frame(0));
  png = with_png_chunk(png, "acTL", number(2, 4, true) + number(0, 4, true));
  png = with_png_chunk(png, "fcTL", frame(1), true);
  return with_png_chunk(png, "fdAT", number(2, 4, true) + data(second), true);
}

// A frame of a GIF: indices of a palette, row by row.
struct GifFrame {
  int left = 0, top = 0, width = 0, height = 0;
  std::vector<uint8_t> indices;
  std::vector<GifColorType> palette = {};  // its own; empty: that of the file
  int transparent = -1;
  bool interlaced = false;
};

inline std::string make_gif(int width, int height, std::vector<GifColorType> palette,
                            const std::vector<GifFrame>& frames) {
  std::string bytes;
  const auto write = [](GifFileType* gif, const GifByteType* data, int size) {
    static_cast<std::string*>(gif->UserData)
        ->append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
    return size;
  };
  int error = 0;
  GifFileType* gif = EGifOpen(&bytes, write, &error);
  const auto check = [](int result) {
    if (result != GIF_OK) throw std::runtime_error("make_gif");
  };
  const auto map = [](std::vector<GifColorType>& colours) {
    const int size = 1 << GifBitSize(static_cast<int>(colours.size()));
    colours.resize(static_cast<size_t>(size));
    return GifMakeMapObject(size, colours.data());
  };
  EGifSetGifVersion(gif, true);
  ColorMapObject* global = palette.empty() ? nullptr : map(palette);
  check(EGifPutScreenDesc(gif, width, height, 8, 0, global));
  for (GifFrame frame : frames) {
    const GraphicsControlBlock control{DISPOSAL_UNSPECIFIED, false, 10, frame.transparent};
    GifByteType extension[4];
    const auto size = static_cast<int>(EGifGCBToExtension(&control, extension));
    check(EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, size, extension));
    ColorMapObject* local = frame.palette.empty() ? nullptr : map(frame.palette);
    GifFreeMapObject(gif->Image.ColorMap);  // giflib forgets that of the frame before
    gif->Image.ColorMap = nullptr;
    check(EGifPutImageDesc(gif, frame.left, frame.top, frame.width, frame.height, frame.interlaced, local));
    std::vector<int> rows;
    for (const auto& [first, step] : frame.interlaced
                                         ? std::vector<std::pair<int, int>>{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
                                         : std::vector<std::pair<int, int>>{{0, 1}})
      for (int row = first; row < frame.height; row += step) rows.push_back(row);
    for (const int row : rows) check(EGifPutLine(gif, frame.indices.data() + row * frame.width, frame.width));
    GifFreeMapObject(local);
  }
  GifFreeMapObject(global);
  check(EGifCloseFile(gif, &error));
  return bytes;
}

}  // namespace mom::test
