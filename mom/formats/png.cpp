// libpng reports errors by longjmp. It must not cross C++ objects that have to be destroyed, so each guarded
// step is a plain function over plain data, and everything that owns memory lives outside, in the caller.
#include <png.h>

#include <csetjmp>
#include <cstring>

#include "mom/base/error.h"
#include "mom/formats/image_kinds.h"

namespace mom::formats {
namespace {

struct Source {
  const std::byte* data;
  size_t size, used;
};

struct Problem {
  char text[160];
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* problem = static_cast<Problem*>(png_get_error_ptr(png));
  std::strncpy(problem->text, message, sizeof problem->text - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}  // odd colour profiles and the like: the pixels are fine

void read_bytes(png_structp png, png_bytep target, size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->size - source->used) png_error(png, "a file that ends too early");
  std::memcpy(target, source->data + source->used, size);
  source->used += size;
}

uint32_t big_endian(const std::byte* bytes) {
  return png_get_uint_32(reinterpret_cast<png_const_bytep>(bytes));
}

// An APNG has an acTL chunk before the first IDAT.
bool is_animated(Bytes bytes) {
  for (size_t at = 8; bytes.size() >= at + 12;) {
    const uint32_t length = big_endian(bytes.data() + at);
    if (std::memcmp(bytes.data() + at + 4, "acTL", 4) == 0) return true;
    if (std::memcmp(bytes.data() + at + 4, "IDAT", 4) == 0 || length > bytes.size() - at - 12) return false;
    at += length + 12;
  }
  return false;
}

struct PngReader {
  PngReader(Bytes bytes, std::string_view name) : source{bytes.data(), bytes.size(), 0}, where(name) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &problem, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
    if (!info) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png, &source, read_bytes);
  }
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  void check(bool ok) const {
    if (!ok) fail_image(where, "a whole PNG", problem.text);
  }

  Source source;
  std::string_view where;
  Problem problem = {};
  png_structp png = nullptr;
  png_infop info = nullptr;
};

bool read_header(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  // Limits are ours, checked right after the header; libpng's own would be reported as damage.
  png_set_user_limits(reader.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_read_info(reader.png, reader.info);
  return true;
}

// Everything becomes 8-bit RGB, or RGBA where there is any transparency.
bool set_output(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_expand(reader.png);
  png_set_scale_16(reader.png);
  png_set_gray_to_rgb(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_rows(PngReader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_image(reader.png, rows);
  png_read_end(reader.png, nullptr);
  return true;
}

struct PngWriter {
  PngWriter() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &problem, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
    if (!info) {
      png_destroy_write_struct(&png, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngWriter() { png_destroy_write_struct(&png, &info); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  std::string bytes;
  Problem problem = {};
  png_structp png = nullptr;
  png_infop info = nullptr;
};

bool append(std::string& target, const void* data, size_t size) noexcept {
  try {
    target.append(static_cast<const char*>(data), size);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void write_bytes(png_structp png, png_bytep data, size_t size) {
  if (!append(*static_cast<std::string*>(png_get_io_ptr(png)), data, size)) png_error(png, "out of memory");
}

bool write_rows(PngWriter& writer, png_bytepp rows, png_uint_32 width, png_uint_32 height, int colour) {
  if (setjmp(png_jmpbuf(writer.png))) return false;
  png_set_write_fn(writer.png, &writer.bytes, write_bytes, nullptr);
  png_set_IHDR(writer.png, writer.info, width, height, 8, colour, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  png_write_image(writer.png, rows);
  png_write_end(writer.png, nullptr);
  return true;
}

std::vector<png_bytep> row_pointers(uint8_t* pixels, int64_t height, int64_t row_bytes) {
  std::vector<png_bytep> rows;
  for (int64_t y = 0; y < height; ++y) rows.push_back(pixels + y * row_bytes);
  return rows;
}

}  // namespace

Image decode_png(Bytes bytes, std::string_view where, const ImageLimits& limits) {
  if (is_animated(bytes)) fail_image(where, "a still image", "an animated PNG (APNG)");
  PngReader reader(bytes, where);
  reader.check(read_header(reader));
  const int64_t width = png_get_image_width(reader.png, reader.info);
  const int64_t height = png_get_image_height(reader.png, reader.info);
  make_image(width, height, 0, where, limits);
  reader.check(set_output(reader));
  const int64_t channels = png_get_channels(reader.png, reader.info);
  Image image = make_image(width, height, channels, where, limits);
  if (png_get_rowbytes(reader.png, reader.info) != static_cast<size_t>(width * channels))
    throw Error(ExitCode::kInternal, std::string(where) + ": libpng did not make 8-bit pixels");
  auto rows = row_pointers(image.pixels.data(), height, width * channels);
  reader.check(read_rows(reader, rows.data()));
  return image;
}

std::string encode_png(const Image& image) {
  check_encodable(image);
  PngWriter writer;
  // libpng's interface is not const; it does not change the rows.
  auto rows =
      row_pointers(const_cast<uint8_t*>(image.pixels.data()), image.height, image.width * image.channels);
  if (!write_rows(writer, rows.data(), static_cast<png_uint_32>(image.width),
                  static_cast<png_uint_32>(image.height),
                  image.channels == 4 ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB))
    throw Error(ExitCode::kInternal, std::string("encode_png: ") + writer.problem.text);
  return std::move(writer.bytes);
}

}  // namespace mom::formats
