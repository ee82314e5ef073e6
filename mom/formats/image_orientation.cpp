// EXIF's orientation: which way up a camera was held. It is the only tag that is read here, so a TIFF directory is
// walked instead of linking a library for EXIF. Follows Pillow's ImageOps.exif_transpose, also in asking XMP where EXIF
// does not say.
#include <algorithm>
#include <cctype>
#include <cstdint>

#include "mom/formats/image_decoders.h"

namespace mom::formats {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShort = 3, kLong = 4, kSignedShort = 8, kSignedLong = 9;

// A number of `size` bytes; nothing where it would begin or end outside.
struct TiffReader {
  std::string_view bytes;
  bool big_endian;

  std::optional<uint32_t> number(size_t at, size_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i)
      value = value << 8 | static_cast<uint8_t>(bytes[at + (big_endian ? i : size - 1 - i)]);
    return value;
  }

  // The first value of an entry of 12 bytes: tag, type, count, and the values or where they are.
  std::optional<uint32_t> value(size_t entry) const {
    const auto type = number(entry + 2, 2), count = number(entry + 4, 4);
    if (!count || *count == 0) return std::nullopt;
    const bool is_short = type == kShort || type == kSignedShort;
    if (!is_short && type != kLong && type != kSignedLong) return std::nullopt;
    const size_t size = is_short ? 2 : 4;
    if (*count <= 4 / size) return number(entry + 8, size);
    const auto offset = number(entry + 8, 4);
    return offset ? number(*offset, size) : std::nullopt;
  }
};

std::optional<uint32_t> orientation_in_exif(std::string_view exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  while (exif.starts_with(kPrefix)) exif.remove_prefix(kPrefix.size());
  if (!exif.starts_with("II") && !exif.starts_with("MM")) return std::nullopt;
  const TiffReader tiff{exif, exif[0] == 'M'};
  const auto directory = tiff.number(4, 4);
  const auto num_entries = directory ? tiff.number(*directory, 2) : std::nullopt;
  std::optional<uint32_t> found;
  for (size_t i = 0; num_entries && i < *num_entries; ++i) {
    const size_t entry = size_t{*directory} + 2 + 12 * i;
    const auto tag = tiff.number(entry, 2);
    if (!tag) break;
    if (*tag != kOrientationTag) continue;
    if (const auto value = tiff.value(entry)) found = value;
  }
  return found;
}

std::optional<uint32_t> orientation_in_xmp(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with(">")) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && std::isdigit(static_cast<unsigned char>(rest[0])))
      return static_cast<uint32_t>(rest[0] - '0');
  }
  return std::nullopt;
}

}  // namespace

int orientation_of(std::string_view exif, std::string_view xmp) {
  auto found = orientation_in_exif(exif);
  if (!found) found = orientation_in_xmp(xmp);
  return found && *found >= 1 && *found <= 8 ? static_cast<int>(*found) : 1;
}

Image turn_upright(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool swaps_sides = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image upright{image.height, image.width, image.channels, std::vector<uint8_t>(image.pixels.size())};
  if (!swaps_sides) std::swap(upright.width, upright.height);
  // Along a row of the result, the source moves by one pixel or by one row, forwards or backwards.
  const int64_t across = (from_right ? -1 : 1) * image.channels;
  const int64_t down = (from_below ? -1 : 1) * image.width * image.channels;
  const uint8_t* corner = image.pixels.data() + (from_right ? (image.width - 1) * image.channels : 0) +
                          (from_below ? (image.height - 1) * image.width * image.channels : 0);
  uint8_t* target = upright.pixels.data();
  for (int64_t y = 0; y < upright.height; ++y) {
    const uint8_t* source = corner + y * (swaps_sides ? across : down);
    for (int64_t x = 0; x < upright.width; ++x, source += swaps_sides ? down : across)
      target = std::copy_n(source, image.channels, target);
  }
  return upright;
}

}  // namespace mom::formats
