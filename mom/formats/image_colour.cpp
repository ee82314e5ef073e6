// Colours of any kind to 8-bit sRGB, through Little CMS.
#include <lcms2.h>

#include <cmath>
#include <cstdlib>
#include <memory>

#include "mom/base/log.h"
#include "mom/formats/image_decoders.h"

namespace mom::formats {
namespace {

using Kind = Colours::Kind;

struct CloseProfile {
  void operator()(void* profile) const { cmsCloseProfile(profile); }
};
struct DeleteTransform {
  void operator()(void* transform) const { cmsDeleteTransform(transform); }
};
struct FreeCurve {
  void operator()(cmsToneCurve* curve) const { cmsFreeToneCurve(curve); }
};
using Profile = std::unique_ptr<void, CloseProfile>;
using Transform = std::unique_ptr<void, DeleteTransform>;

// Of the samples before, or of the pixels after: `extra` bytes or samples of each pixel are left as they are.
uint32_t layout(uint32_t space, uint32_t channels, int64_t extra, int64_t sample_bytes) {
  return COLORSPACE_SH(space) | CHANNELS_SH(channels) | EXTRA_SH(static_cast<uint32_t>(extra)) |
         BYTES_SH(static_cast<uint32_t>(sample_bytes));
}

// 1/2.2 is how programs that know no better state sRGB's own curve; libpng takes the same 5%.
bool is_srgb_curve(double gamma) { return gamma == 0 || std::abs(gamma * 2.2 - 1) < 0.05; }

Profile profile_of_png(const Colours& colours) {
  const double srgb[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
  const std::unique_ptr<cmsToneCurve, FreeCurve> curve(is_srgb_curve(colours.gamma)
                                                           ? cmsBuildParametricToneCurve(nullptr, 4, srgb)
                                                           : cmsBuildGamma(nullptr, 1 / colours.gamma));
  const auto xy =
      colours.chromaticities.value_or(std::array{0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06});
  const cmsCIExyY white{xy[0], xy[1], 1};
  const cmsCIExyYTRIPLE primaries{{xy[2], xy[3], 1}, {xy[4], xy[5], 1}, {xy[6], xy[7], 1}};
  cmsToneCurve* curves[] = {curve.get(), curve.get(), curve.get()};
  return Profile(curve ? cmsCreateRGBProfile(&white, &primaries, curves) : nullptr);
}

// How lcms finds the colours of the profile's kind in the pixels; nothing where they are not of that kind.
std::optional<uint32_t> input_layout(const StoredImage& stored, cmsHPROFILE profile) {
  const Kind kind = stored.colours.kind;
  const int64_t channels = stored.image.channels;
  switch (cmsGetColorSpace(profile)) {
    case cmsSigGrayData:
      if (kind == Kind::kGrey) return layout(PT_GRAY, 1, channels - 1, stored.sample_bytes);
      break;
    case cmsSigRgbData:
      if (kind != Kind::kCmyk) return layout(PT_RGB, 3, channels - 3, stored.sample_bytes);
      break;
    case cmsSigCmykData:
      if (kind == Kind::kCmyk) return layout(PT_CMYK, 4, 0, stored.sample_bytes);
      break;
    default:
      break;
  }
  return std::nullopt;
}

// A profile that moves no colour by more than rounding is sRGB under some name: pixels stay as they are. Asked first,
// since most profiles are, and because making a transform for pixels takes milliseconds.
bool changes_nothing(cmsHPROFILE profile, cmsHPROFILE srgb, Kind kind) {
  if (kind == Kind::kCmyk) return false;
  std::vector<uint8_t> before;
  constexpr int kStep = 51;  // of 255
  for (int red = 0; red < 256; red += kStep)
    for (int green = 0; green < 256; green += kStep)
      for (int blue = 0; blue < 256; blue += kStep)
        if (kind == Kind::kRgb || (red == green && green == blue))
          for (const int value : {red, green, blue}) before.push_back(static_cast<uint8_t>(value));
  std::vector<uint8_t> after(before.size());
  const bool one_channel = cmsGetColorSpace(profile) == cmsSigGrayData;
  const uint32_t input = one_channel ? layout(PT_GRAY, 1, 2, 1) : layout(PT_RGB, 3, 0, 1);
  const Transform transform(
      cmsCreateTransform(profile, input, srgb, TYPE_RGB_8, INTENT_PERCEPTUAL, cmsFLAGS_NOOPTIMIZE));
  if (!transform) return false;
  cmsDoTransform(transform.get(), before.data(), after.data(), static_cast<uint32_t>(before.size() / 3));
  for (size_t i = 0; i < before.size(); ++i)
    if (std::abs(before[i] - after[i]) > 1) return false;
  return true;
}

// Ink over white paper, where no profile says what the inks look like.
Image cmyk_to_rgb(const Image& cmyk) {
  Image rgb{cmyk.width, cmyk.height, 3, {}};
  rgb.pixels.reserve(cmyk.pixels.size() / 4 * 3);
  for (size_t i = 0; i < cmyk.pixels.size(); i += 4)
    for (size_t c = 0; c < 3; ++c)
      rgb.pixels.push_back(
          static_cast<uint8_t>(((255 - cmyk.pixels[i + c]) * (255 - cmyk.pixels[i + 3]) + 127) / 255));
  return rgb;
}

// 65535 becomes 255, and what is between is rounded, not cut.
Image to_8_bits(const Image& wide) {
  Image image{wide.width, wide.height, wide.channels, {}};
  const auto* samples = reinterpret_cast<const uint16_t*>(wide.pixels.data());
  image.pixels.reserve(wide.pixels.size() / 2);
  for (size_t i = 0; i < wide.pixels.size() / 2; ++i)
    image.pixels.push_back(static_cast<uint8_t>((samples[i] * 255u + 32895u) >> 16));
  return image;
}

// Nothing where the numbers are sRGB already, or where what the file says about them makes no sense; that is noted.
Transform transform_of(StoredImage& stored) {
  Colours& colours = stored.colours;
  const bool is_srgb =
      colours.icc.empty() && is_srgb_curve(colours.gamma) && !colours.chromaticities.has_value();
  if (is_srgb) return nullptr;
  const Profile profile =
      colours.icc.empty()
          ? profile_of_png(colours)
          : Profile(cmsOpenProfileFromMem(colours.icc.data(), static_cast<uint32_t>(colours.icc.size())));
  const auto input = profile ? input_layout(stored, profile.get()) : std::nullopt;
  colours.unused = profile ? "a colour profile of another kind than its pixels" : kDamagedProfile;
  if (!input) return nullptr;
  const Profile srgb(cmsCreate_sRGBProfile());
  colours.unused = "";
  if (changes_nothing(profile.get(), srgb.get(), colours.kind)) return nullptr;
  const int64_t extra = colours.kind == Kind::kCmyk ? 0 : stored.image.channels - 3;
  Transform transform(cmsCreateTransform(profile.get(), *input, srgb.get(), layout(PT_RGB, 3, extra, 1),
                                         INTENT_PERCEPTUAL, 0));
  if (!transform) colours.unused = kDamagedProfile;
  return transform;
}

}  // namespace

Image to_srgb(StoredImage stored, std::string_view where) {
  const Transform transform = transform_of(stored);
  const std::string unused(stored.colours.unused);
  if (!unused.empty())
    log_once("image: " + unused,
             std::string(where) + ": " + unused + "; its colours are taken as sRGB (said once)");
  const bool in_place = stored.colours.kind != Kind::kCmyk && stored.sample_bytes == 1;
  Image image = in_place                             ? std::move(stored.image)
                : stored.colours.kind == Kind::kCmyk ? cmyk_to_rgb(stored.image)
                                                     : to_8_bits(stored.image);
  if (transform)
    cmsDoTransform(transform.get(), (in_place ? image : stored.image).pixels.data(), image.pixels.data(),
                   static_cast<uint32_t>(image.width * image.height));
  return image;
}

}  // namespace mom::formats
