#include "mom/formats/media_kinds.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/formats/image_file.h"
#include "mom/formats/sound_file.h"
#include "tests/support/thrown.h"

namespace mom::formats {
namespace {

using namespace std::string_literals;

TEST(MediaKinds, EveryExtensionIsOfOneKind) {
  for (const char* image : {"png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "apng"}) {
    EXPECT_TRUE(is_image_extension(image)) << image;
    EXPECT_FALSE(is_sound_extension(image) || is_unreadable_media_extension(image)) << image;
  }
  for (const char* sound : {"wav", "wave", "flac", "ogg", "oga", "opus", "mp3"}) {
    EXPECT_TRUE(is_sound_extension(sound)) << sound;
    EXPECT_FALSE(is_image_extension(sound) || is_unreadable_media_extension(sound)) << sound;
  }
  for (const char* other :
       {"avif", "heic", "tif", "tiff", "bmp", "jxl", "svg", "m4a", "aac", "aiff", "mp4", "webm"}) {
    EXPECT_TRUE(is_unreadable_media_extension(other)) << other;
    EXPECT_FALSE(is_image_extension(other) || is_sound_extension(other)) << other;
  }
  for (const char* none : {"", "txt", "json", "caption", "ts", "raw", "PNG", "tar.gz", "npy"})
    EXPECT_FALSE(is_image_extension(none) || is_sound_extension(none) || is_unreadable_media_extension(none))
        << none;
}

std::string error_of_image(const std::string& bytes) {
  return test::message_of<InputError>([&] { decode_image(std::as_bytes(std::span(bytes)), "a file"); });
}

std::string error_of_sound(const std::string& bytes) {
  return test::message_of<InputError>([&] { decode_sound(std::as_bytes(std::span(bytes)), "a file"); });
}

// The name of what was found, and the way out, from both decoders.
TEST(MediaKinds, ForeignMediaIsNamed) {
  for (const auto& [bytes, name] :
       {std::pair{"\0\0\0\x1c"
                  "ftypavif\0\0\0\0"s,
                  "an AVIF image"},
        {"\0\0\0\x18"
         "ftypheic\0\0\0\0"s,
         "a HEIC image"},
        {"\0\0\0\x18"
         "ftypM4A \0\0\0\0"s,
         "an M4A (AAC) sound"},
        {"\0\0\0\x18"
         "ftypisom\0\0\0\0"s,
         "an MP4 or QuickTime video"},
        {"II*\0\x08\0\0\0"s, "a TIFF or a camera's raw image"},
        {"MM\0*\0\0\0\x08"s, "a TIFF or a camera's raw image"},
        {"BM\x46\0\0\0"s, "a BMP image"},
        {"\xff\x0a\xfa"s, "a JPEG XL image"},
        {"\0\0\0\x0cJXL \x0d\x0a"s, "a JPEG XL image"},
        {"\0\0\0\x0cjP  \x0d\x0a"s, "a JPEG 2000 image"},
        {"\x1a\x45\xdf\xa3\x01"s, "a Matroska or WebM video"},
        {"RIFF\x10\0\0\0AVI LIST"s, "an AVI video"},
        {"RIFX\0\0\0\x10WAVEfmt "s, "a WAV sound with its bytes in big-endian order (RIFX)"},
        {"\x1f\x8b\x08\0"s, "a file that is compressed (gzip)"},
        {"<svg/>"s, "markup (SVG or HTML)"},
        {"version https://git-lfs.github.com/spec/v1\n"s, "a pointer of Git LFS"},
        {"not media"s, "bytes of an unknown kind"},
        {""s, "nothing"}}) {
    const std::string image = error_of_image(bytes), sound = error_of_sound(bytes);
    EXPECT_TRUE(image.starts_with("a file: expected a PNG, JPEG, WebP or GIF image, found "s + name))
        << image;
    EXPECT_TRUE(image.ends_with("; convert it to PNG or JPEG, or remove it")) << image;
    if (!bytes.empty()) {
      EXPECT_TRUE(sound.starts_with("a file: expected a sound file (WAV, FLAC, Ogg, MP3), found "s + name))
          << sound;
    }
  }
}

}  // namespace
}  // namespace mom::formats
