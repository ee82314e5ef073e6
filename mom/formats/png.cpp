// libpng reports errors by longjmp. It must not cross C++ objects that have to be destroyed, so each guarded
// step is a plain function over plain data, and everything that owns memory lives outside, in the caller.
#include <png.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <csetjmp>
#include <cstring>

#include "mom/base/error.h"
#include "mom/formats/image_decoders.h"

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

// The data of the first chunk of that name before the pixels.
std::optional<Bytes> find_chunk(Bytes bytes, const char* name) {
  for (size_t at = 8; bytes.size() >= at + 12;) {
    const uint32_t length = big_endian(bytes.data() + at);
    if (length > bytes.size() - at - 12) break;
    if (std::memcmp(bytes.data() + at + 4, name, 4) == 0) return bytes.subspan(at + 8, length);
    if (std::memcmp(bytes.data() + at + 4, "IDAT", 4) == 0) break;
    at += length + 12;
  }
  return std::nullopt;
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

// Everything becomes RGB, or RGBA where there is any transparency; of 8 bits, or of 16 where the file has 16.
bool set_output(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_expand(reader.png);
  if constexpr (std::endian::native == std::endian::little) png_set_swap(reader.png);
  png_set_gray_to_rgb(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_rows(PngReader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_image(reader.png, rows);
  png_read_end(reader.png, reader.info);  // EXIF and XMP may follow the pixels
  return true;
}

// ImageMagick's way to keep EXIF in a text: three lines of a heading, then hexadecimal digits.
std::string from_raw_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) text.remove_prefix(std::min(text.size(), text.find('\n') + 1));
  std::string digits, bytes;
  for (const char c : text)
    if (std::isxdigit(static_cast<unsigned char>(c))) digits += c;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return bytes;
}

void read_metadata(PngReader& reader, StoredImage& stored) {
  png_textp texts = nullptr;
  int num_texts = 0;
  png_get_text(reader.png, reader.info, &texts, &num_texts);
  for (int i = 0; i < num_texts; ++i) {
    const std::string_view key = texts[i].key;
    const std::string_view text(texts[i].text, std::max(texts[i].text_length, texts[i].itxt_length));
    if (key == "Raw profile type exif") stored.exif = from_raw_profile(text);
    if (key == "XML:com.adobe.xmp") stored.xmp = text;
  }
  png_bytep exif = nullptr;
  png_uint_32 size = 0;
  if (png_get_eXIf_1(reader.png, reader.info, &size, &exif))
    stored.exif.assign(reinterpret_cast<const char*>(exif), size);
}

// The order of the standard (third edition, 4.3): cICP, iCCP, sRGB, then gAMA and cHRM. This libpng does not know cICP.
void read_colours(PngReader& reader, Bytes bytes, Colours& colours) {
  constexpr int kSrgbPrimaries = 1, kSrgbCurve = 13;
  if (const auto cicp = find_chunk(bytes, "cICP"); cicp && cicp->size() == 4) {
    const bool srgb =
        std::to_integer<int>((*cicp)[0]) == kSrgbPrimaries && std::to_integer<int>((*cicp)[1]) == kSrgbCurve;
    if (!srgb) colours.unused = "colours of video or of high dynamic range (cICP)";
    return;
  }
  png_charp name = nullptr;
  png_bytep profile = nullptr;
  png_uint_32 size = 0;
  int method = 0;
  if (png_get_iCCP(reader.png, reader.info, &name, &method, &profile, &size)) {
    colours.icc.assign(reinterpret_cast<const char*>(profile), size);
    return;
  }
  if (find_chunk(bytes, "iCCP")) colours.unused = kDamagedProfile;
  if (find_chunk(bytes, "iCCP") || png_get_valid(reader.png, reader.info, PNG_INFO_sRGB)) return;
  png_get_gAMA(reader.png, reader.info, &colours.gamma);
  std::array<double, 8> xy{};
  if (png_get_cHRM(reader.png, reader.info, &xy[0], &xy[1], &xy[2], &xy[3], &xy[4], &xy[5], &xy[6], &xy[7]))
    colours.chromaticities = xy;
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

StoredImage decode_png(Bytes bytes, std::string_view where, const ImageLimits& limits) {
  PngReader reader(bytes, where);
  reader.check(read_header(reader));
  const int64_t width = png_get_image_width(reader.png, reader.info);
  const int64_t height = png_get_image_height(reader.png, reader.info);
  make_image(width, height, 0, where, limits);
  StoredImage stored;
  stored.sample_bytes = png_get_bit_depth(reader.png, reader.info) == 16 ? 2 : 1;
  const bool grey = (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_COLOR) == 0;
  stored.colours.kind = grey ? Colours::Kind::kGrey : Colours::Kind::kRgb;
  reader.check(set_output(reader));
  const int64_t channels = png_get_channels(reader.png, reader.info);
  const int64_t row_bytes = width * channels * stored.sample_bytes;
  stored.image = make_image(width, height, channels, where, limits);
  stored.image.pixels.resize(static_cast<size_t>(row_bytes * height));
  if (png_get_rowbytes(reader.png, reader.info) != static_cast<size_t>(row_bytes))
    throw Error(ExitCode::kInternal, std::string(where) + ": libpng did not make RGB pixels");
  auto rows = row_pointers(stored.image.pixels.data(), height, row_bytes);
  reader.check(read_rows(reader, rows.data()));
  read_metadata(reader, stored);
  read_colours(reader, bytes, stored.colours);
  stored.animated = find_chunk(bytes, "acTL").has_value();
  return stored;
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
