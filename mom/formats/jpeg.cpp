// libjpeg reports errors by longjmp: as in png.cpp, the guarded steps are plain functions over plain data.
#include <cstdio>
// jpeglib.h needs stdio's FILE and size_t before it.
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstdlib>
#include <cstring>

#include "mom/base/error.h"
#include "mom/formats/image_decoders.h"

namespace mom::formats {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1, kIccMarker = JPEG_APP0 + 2;

struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands out a pointer to it
  jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  errors->base.format_message(info, errors->text);
  std::longjmp(errors->jump, 1);
}

// libjpeg patches damaged data with grey and only warns. Warnings that mean lost pixels are errors here.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
      return;
    default:
      on_error(info);
  }
}

void ignore_output(j_common_ptr) {}

void set_up(ErrorManager& errors) {
  jpeg_std_error(&errors.base);
  errors.base.error_exit = on_error;
  errors.base.emit_message = on_message;
  errors.base.output_message = ignore_output;
}

struct Decoder {
  Decoder() { info.err = &errors.base, set_up(errors); }
  ~Decoder() { jpeg_destroy_decompress(&info); }  // fine also when creation failed: the struct is zeroed
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  jpeg_decompress_struct info = {};
  ErrorManager errors = {};
};

bool read_header(Decoder& decoder, const unsigned char* data, size_t size) {
  if (setjmp(decoder.errors.jump)) return false;
  jpeg_create_decompress(&decoder.info);
  jpeg_mem_src(&decoder.info, data, size);
  for (const int marker : {kExifMarker, kIccMarker}) jpeg_save_markers(&decoder.info, marker, 0xFFFF);
  jpeg_read_header(&decoder.info, TRUE);
  return true;
}

// The profile, which may be spread over several markers; `*profile` is malloc'ed, or null.
bool read_profile(Decoder& decoder, JOCTET** profile, unsigned* size) {
  if (setjmp(decoder.errors.jump)) return false;
  jpeg_read_icc_profile(&decoder.info, profile, size);
  return true;
}

bool is_four_colour(const Decoder& decoder) {
  return decoder.info.jpeg_color_space == JCS_CMYK || decoder.info.jpeg_color_space == JCS_YCCK;
}

bool read_rows(Decoder& decoder, uint8_t* pixels, size_t row_bytes) {
  if (setjmp(decoder.errors.jump)) return false;
  decoder.info.out_color_space = is_four_colour(decoder) ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&decoder.info);
  while (decoder.info.output_scanline < decoder.info.output_height) {
    JSAMPROW row = pixels + decoder.info.output_scanline * row_bytes;
    jpeg_read_scanlines(&decoder.info, &row, 1);
  }
  jpeg_finish_decompress(&decoder.info);
  return true;
}

// EXIF and XMP share a marker and begin with their names. EXIF over 64 KB is continued in further markers.
void read_metadata(const Decoder& decoder, StoredImage& stored) {
  constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
  for (auto* marker = decoder.info.marker_list; marker; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker != kExifMarker) continue;
    if (data.starts_with(kExif)) stored.exif += data.substr(kExif.size());
    if (data.starts_with(kXmp)) stored.xmp = data.substr(kXmp.size());
  }
}

void read_colours(Decoder& decoder, StoredImage& stored) {
  const int components = decoder.info.num_components;
  stored.colours.kind = components == 1   ? Colours::Kind::kGrey
                        : components == 4 ? Colours::Kind::kCmyk
                                          : Colours::Kind::kRgb;
  JOCTET* profile = nullptr;
  unsigned size = 0;
  if (!read_profile(decoder, &profile, &size)) stored.colours.unused = kDamagedProfile;
  if (profile) stored.colours.icc.assign(reinterpret_cast<const char*>(profile), size);
  std::free(profile);
}

}  // namespace

StoredImage decode_jpeg(Bytes bytes, std::string_view where, const ImageLimits& limits) {
  Decoder decoder;
  auto check = [&](bool ok) {
    if (!ok) fail_image(where, "a whole JPEG", decoder.errors.text);
  };
  check(read_header(decoder, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
  const bool four_colour = is_four_colour(decoder);
  StoredImage stored;
  Image& image = stored.image =
      make_image(decoder.info.image_width, decoder.info.image_height, four_colour ? 4 : 3, where, limits);
  read_metadata(decoder, stored);
  read_colours(decoder, stored);
  check(read_rows(decoder, image.pixels.data(), static_cast<size_t>(image.width * image.channels)));
  // Adobe's programs store ink inverted (255 = none) and mark it; nearly all CMYK files are theirs.
  if (four_colour && decoder.info.saw_Adobe_marker)
    for (uint8_t& ink : image.pixels) ink = static_cast<uint8_t>(255 - ink);
  return stored;
}

}  // namespace mom::formats
