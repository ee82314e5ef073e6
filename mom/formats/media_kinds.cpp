#include "mom/formats/media_kinds.h"

#include <algorithm>
#include <array>

#include "mom/formats/magic.h"

namespace mom::formats {
namespace {

using namespace std::string_view_literals;

constexpr std::array kImages = {"apng"sv, "gif"sv, "jfif"sv, "jpe"sv, "jpeg"sv, "jpg"sv, "png"sv, "webp"sv};
constexpr std::array kSounds = {"flac"sv, "mp3"sv, "oga"sv, "ogg"sv, "opus"sv, "wav"sv, "wave"sv};

// Extensions that also name something else ("ts", "raw", "ps") are left out.
constexpr std::array kUnreadable = {
    // images
    "arw"sv, "avif"sv, "bmp"sv, "cr2"sv, "cr3"sv, "cur"sv, "dcm"sv, "dds"sv, "dib"sv, "dng"sv, "emf"sv,
    "eps"sv, "exr"sv, "heic"sv, "heif"sv, "hif"sv, "ico"sv, "j2c"sv, "j2k"sv, "jp2"sv, "jpx"sv, "jxl"sv,
    "jxr"sv, "mng"sv, "nef"sv, "orf"sv, "pbm"sv, "pcx"sv, "pef"sv, "pgm"sv, "pnm"sv, "ppm"sv, "psd"sv,
    "qoi"sv, "raf"sv, "rw2"sv, "svg"sv, "svgz"sv, "tga"sv, "tif"sv, "tiff"sv, "wmf"sv, "xbm"sv, "xcf"sv,
    "xpm"sv,
    // sound
    "3ga"sv, "aac"sv, "ac3"sv, "aif"sv, "aifc"sv, "aiff"sv, "amr"sv, "ape"sv, "au"sv, "caf"sv, "dsf"sv,
    "m4a"sv, "m4b"sv, "mid"sv, "midi"sv, "mka"sv, "mp2"sv, "mpc"sv, "ra"sv, "snd"sv, "spx"sv, "tta"sv,
    "w64"sv, "weba"sv, "wma"sv, "wv"sv,
    // video
    "3g2"sv, "3gp"sv, "asf"sv, "avi"sv, "flv"sv, "m2ts"sv, "m4v"sv, "mkv"sv, "mov"sv, "mp4"sv, "mpeg"sv,
    "mpg"sv, "mts"sv, "mxf"sv, "ogm"sv, "ogv"sv, "rm"sv, "rmvb"sv, "vob"sv, "webm"sv, "wmv"sv};

template <size_t kSize>
bool contains(const std::array<std::string_view, kSize>& list, std::string_view extension) {
  return std::find(list.begin(), list.end(), extension) != list.end();
}

struct Content {
  size_t offset;
  std::string_view magic, name;
};

// The first that matches counts.
constexpr Content kContents[] = {{0, "\x89PNG", "a PNG image"},
                                 {0, "\xff\xd8\xff", "a JPEG image"},
                                 {8, "WEBP", "a WebP image"},
                                 {0, "GIF8", "a GIF image"},
                                 {0, "RIFX", "a WAV sound with its bytes in big-endian order (RIFX)"},
                                 {8, "WAVE", "a WAV sound"},
                                 {8, "AVI ", "an AVI video"},
                                 {0, "fLaC", "a FLAC sound"},
                                 {0, "OggS", "an Ogg sound or video"},
                                 {0, "ID3", "an MP3 sound"},
                                 {8, "avif", "an AVIF image"},
                                 {8, "avis", "an AVIF image"},
                                 {8, "heic", "a HEIC image"},
                                 {8, "heix", "a HEIC image"},
                                 {8, "hevc", "a HEIC image"},
                                 {8, "mif1", "a HEIC or AVIF image"},
                                 {8, "msf1", "a HEIC or AVIF image"},
                                 {4, "ftypM4A", "an M4A (AAC) sound"},
                                 {4, "ftypM4B", "an M4A (AAC) sound"},
                                 {4, "ftypcrx", "a camera's raw image (CR3)"},
                                 {4, "ftyp", "an MP4 or QuickTime video"},
                                 {4, "moov", "an MP4 or QuickTime video"},
                                 {0, "\0\0\0\x0cJXL "sv, "a JPEG XL image"},
                                 {0, "\xff\x0a", "a JPEG XL image"},
                                 {0, "\0\0\0\x0cjP  "sv, "a JPEG 2000 image"},
                                 {0, "\xff\x4f\xff\x51", "a JPEG 2000 image"},
                                 {0, "II*\0"sv, "a TIFF or a camera's raw image"},
                                 {0, "MM\0*"sv, "a TIFF or a camera's raw image"},
                                 {0, "II+\0"sv, "a TIFF image"},
                                 {0, "MM\0+"sv, "a TIFF image"},
                                 {0, "BM", "a BMP image"},
                                 {0, "8BPS", "a Photoshop image"},
                                 {0, "\0\0\1\0"sv, "an icon (ICO)"},
                                 {0, "\x76\x2f\x31\x01", "an OpenEXR image"},
                                 {0, "qoif", "a QOI image"},
                                 {0, "P5", "a PGM image"},
                                 {0, "P6", "a PPM image"},
                                 {0, "%PDF", "a PDF document"},
                                 {0, "\x1a\x45\xdf\xa3", "a Matroska or WebM video"},
                                 {0, "\0\0\1\xba"sv, "an MPEG video"},
                                 {0, "\0\0\1\xb3"sv, "an MPEG video"},
                                 {0, "FLV\1", "a Flash video"},
                                 {0, "\x30\x26\xb2\x75", "a Windows Media sound or video"},
                                 {0, "\x1f\x8b", "a file that is compressed (gzip)"},
                                 {8, "AIFF", "an AIFF sound"},
                                 {8, "AIFC", "an AIFF sound"},
                                 {0, ".snd", "an AU sound"},
                                 {0, "caff", "a CAF sound"},
                                 {0, "#!AMR", "an AMR sound"},
                                 {0, "\xff\xf1", "an AAC sound"},
                                 {0, "\xff\xf9", "an AAC sound"},
                                 {0, "MThd", "a MIDI file"},
                                 {0, "\x93NUMPY", "a NumPy array (.npy)"},
                                 {0, "<", "markup (SVG or HTML)"},
                                 {0, "{", "JSON"},
                                 {0, "version https://git-lfs", "a pointer of Git LFS instead of the file"}};

}  // namespace

bool is_image_extension(std::string_view extension) { return contains(kImages, extension); }
bool is_sound_extension(std::string_view extension) { return contains(kSounds, extension); }
bool is_unreadable_media_extension(std::string_view extension) { return contains(kUnreadable, extension); }

std::string name_of_content(Bytes bytes) {
  if (bytes.empty()) return "nothing";
  for (const auto& [offset, magic, name] : kContents)
    if (has_at(bytes, offset, magic)) return std::string(name);
  return "bytes of an unknown kind";
}

}  // namespace mom::formats
