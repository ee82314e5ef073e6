#include "mom/formats/versions.h"

#include <archive.h>
#include <gif_lib.h>
#include <lcms2.h>
#include <png.h>
#include <sndfile.h>
#include <webp/decode.h>

#include <cstdio>
// jpeglib.h needs stdio's FILE before it.
#include <jpeglib.h>

namespace mom::formats {
namespace {

std::string dotted(int packed) {  // 0xMMmmrr
  return std::to_string(packed >> 16) + "." + std::to_string(packed >> 8 & 255) + "." +
         std::to_string(packed & 255);
}

std::string jpeg_version() {  // libjpeg has no call for it
#ifdef LIBJPEG_TURBO_VERSION_NUMBER
  constexpr int kVersion = LIBJPEG_TURBO_VERSION_NUMBER;  // MMMmmmrrr in decimal
  return "turbo " + std::to_string(kVersion / 1000000) + "." + std::to_string(kVersion / 1000 % 1000) + "." +
         std::to_string(kVersion % 1000);
#else
  return std::to_string(JPEG_LIB_VERSION);
#endif
}

}  // namespace

std::vector<std::pair<std::string, std::string>> library_versions() {
  std::string archive = archive_version_string(),
              sound = sf_version_string();  // "libarchive 3.6.2", "libsndfile-1.2.0"
  return {{"libpng", png_get_libpng_ver(nullptr)},
          {"libjpeg", jpeg_version()},
          {"giflib", std::to_string(GIFLIB_MAJOR) + "." + std::to_string(GIFLIB_MINOR) + "." +
                         std::to_string(GIFLIB_RELEASE)},
          {"lcms", std::to_string(cmsGetEncodedCMMversion() / 1000) + "." +
                       std::to_string(cmsGetEncodedCMMversion() % 1000 / 10)},
          {"libwebp", dotted(WebPGetDecoderVersion())},
          {"libarchive", archive.substr(archive.find(' ') + 1)},
          {"libsndfile", sound.substr(sound.find('-') + 1)}};
}

}  // namespace mom::formats
