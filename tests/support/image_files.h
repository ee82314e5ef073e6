// Image files that our own encoders do not write: palettes, grey, 16 bits, CMYK, progressive and arithmetic JPEG.
#pragma once

#include <png.h>

#include <cstdio>
// jpeglib.h needs stdio's FILE before it.
#include <jpeglib.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "mom/base/error.h"
#include "mom/formats/image_file.h"

namespace mom::test {

inline formats::Image decode_bytes(std::string_view bytes, const formats::ImageLimits& limits = {}) {
  return formats::decode_image(std::as_bytes(std::span(bytes.data(), bytes.size())), "sample", limits);
}

// Why it is not an image; "no error" if it is one.
inline std::string image_error_of(std::string_view bytes, const formats::ImageLimits& limits = {}) {
  try {
    decode_bytes(bytes, limits);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

// A PNG of any kind from raw rows: what other programs write.
struct PngKind {
  int depth = 8, colour = PNG_COLOR_TYPE_RGB, interlace = PNG_INTERLACE_NONE;
  std::vector<png_color> palette = {};
  std::vector<png_byte> palette_alpha = {};
};

inline std::string make_png(uint32_t width, uint32_t height, std::vector<std::vector<uint8_t>> rows,
                            const PngKind& kind) {
  std::string bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(data), size);
      },
      nullptr);
  png_set_IHDR(png, info, width, height, kind.depth, kind.colour, kind.interlace,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!kind.palette.empty())
    png_set_PLTE(png, info, kind.palette.data(), static_cast<int>(kind.palette.size()));
  if (!kind.palette_alpha.empty())
    png_set_tRNS(png, info, kind.palette_alpha.data(), static_cast<int>(kind.palette_alpha.size()), nullptr);
  std::vector<png_bytep> pointers;
  for (auto& row : rows) pointers.push_back(row.data());
  png_write_info(png, info);
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

inline std::string make_jpeg(uint32_t width, uint32_t height, std::vector<uint8_t> pixels, int components,
                             J_COLOR_SPACE space, bool adobe, bool progressive = false,
                             bool arithmetic = false) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = width;
  info.image_height = height;
  info.input_components = components;
  info.in_color_space = space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  info.write_Adobe_marker = adobe;
  info.arith_code = arithmetic;
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < height) {
    JSAMPROW row = pixels.data() + info.next_scanline * width * components;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string result(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return result;
}

// The header and the checksum of a PNG chunk around its data.
inline std::string png_chunk(const std::string& type, const std::string& data) {
  const auto word = [](uint32_t value) {
    return std::string{static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                       static_cast<char>(value >> 8), static_cast<char>(value)};
  };
  uint32_t crc = 0xffffffffu;
  for (const char c : type + data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320u : 0u);
  }
  return word(static_cast<uint32_t>(data.size())) + type + data + word(~crc);
}

}  // namespace mom::test
