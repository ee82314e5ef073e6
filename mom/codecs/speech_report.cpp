#include "mom/codecs/speech_report.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "mom/codecs/mel.h"
#include "mom/formats/image_file.h"
#include "mom/formats/sound_file.h"

namespace mom::codecs {
namespace {

constexpr size_t kMaxSounds = 12;
constexpr int64_t kZoom = 3, kMaxFrames = 600;  // pixels a frame and band; 6 s

// Black, violet, orange, pale yellow: even steps of lightness.
std::array<uint8_t, 3> heat(double value) {
  constexpr std::array<std::array<double, 3>, 4> kStops = {
      {{0, 0, 4}, {110, 30, 110}, {235, 105, 35}, {252, 255, 190}}};
  const double at = std::clamp(value, 0.0, 1.0) * (kStops.size() - 1);
  const size_t stop = std::min<size_t>(static_cast<size_t>(at), kStops.size() - 2);
  std::array<uint8_t, 3> colour{};
  for (size_t c = 0; c < 3; ++c)
    colour[c] = static_cast<uint8_t>(
        std::lround(std::lerp(kStops[stop][c], kStops[stop + 1][c], at - static_cast<double>(stop))));
  return colour;
}

// Time to the right, low bands at the bottom; from the floor to the loudest of a sound at the codec's
// loudness.
void draw_mel(formats::Image& image, int64_t top, const at::Tensor& log_mel_FB) {
  const double low = std::log(kMelFloor), high = 1.5;
  const at::Tensor mel = log_mel_FB.contiguous();
  const auto values = mel.accessor<float, 2>();
  for (int64_t y = 0; y < kZoom * kMelBands; ++y) {
    for (int64_t x = 0; x < image.width && x / kZoom < mel.size(0); ++x) {
      const auto colour = heat((values[x / kZoom][kMelBands - 1 - y / kZoom] - low) / (high - low));
      std::copy(colour.begin(), colour.end(), image.pixels.begin() + ((top + y) * image.width + x) * 3);
    }
  }
}

std::string two_spectrograms(const at::Tensor& original_FB, const at::Tensor& decoded_FB) {
  constexpr int64_t kGap = 6;
  const int64_t width = kZoom * std::min(kMaxFrames, original_FB.size(0)),
                height = 2 * kZoom * kMelBands + kGap;
  formats::Image image{width, height, 3, std::vector<uint8_t>(static_cast<size_t>(3 * width * height), 255)};
  draw_mel(image, 0, original_FB);
  draw_mel(image, kZoom * kMelBands + kGap, decoded_FB);
  return formats::encode_png(image);
}

constexpr const char* kPageHead = R"(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Speech codec: originals and what comes back</title>
<meta name="viewport" content="width=device-width">
<style>body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}td,th{padding:.3rem 1rem .3rem 0;text-align:left}
img{max-width:100%}</style>
<h1>Speech codec: originals and what comes back</h1>
)";

std::string row_of(size_t number, double seconds, size_t num_codes, double mel_l1) {
  char row[400];
  std::snprintf(
      row, sizeof row,
      "<tr><td>%zu<td><audio controls preload=\"none\" src=\"%02zu-original.wav\"></audio>"
      "<td><audio controls preload=\"none\" src=\"%02zu-decoded.wav\"></audio><td>%.2f<td>%zu<td>%.3f</tr>\n",
      number, number, number, seconds, num_codes, mel_l1);
  return row;
}

std::string file_name(size_t number, const char* what) {
  char name[40];
  std::snprintf(name, sizeof name, "%02zu-%s.wav", number, what);
  return name;
}

}  // namespace

void write_listening_folder(const SpeechCodec& codec, std::span<const std::vector<float>> sounds,
                            const Path& folder) {
  std::filesystem::create_directories(folder);
  std::string page = kPageHead;
  page += "<p>" + std::to_string(codec.config().code_rate_hz) + " codes a second out of " +
          std::to_string(codec.codebook_size()) +
          "; the waveform is made from mel bands by Griffin-Lim.</p>\n<table>"
          "<tr><th><th>original<th>decoded<th>seconds<th>codes<th>mel error (l1, nats)</tr>\n";
  for (size_t i = 0; i < std::min(kMaxSounds, sounds.size()); ++i) {
    const SpeechCodes codes = codec.encode(sounds[i]);
    const at::Tensor original_FB = codec.mel_of(sounds[i]), decoded_FB = codec.decode_mel(codes);
    publish_file(folder / file_name(i + 1, "original"),
                 formats::encode_wav(at_codec_loudness(sounds[i]), kSpeechRateHz));
    publish_file(folder / file_name(i + 1, "decoded"),
                 formats::encode_wav(codec.decode(codes), kSpeechRateHz));
    page += row_of(i + 1, static_cast<double>(sounds[i].size()) / kSpeechRateHz, codes.codes.size(),
                   (original_FB - decoded_FB).abs().mean().item<double>());
    if (i == 0) publish_file(folder / "mel.png", two_spectrograms(original_FB, decoded_FB));
  }
  page +=
      "</table>\n<p>Mel bands of the first sound, 0 to 8 kHz from bottom to top; below it, what comes "
      "back:</p>\n"
      "<img src=\"mel.png\" alt=\"two mel spectrograms\">\n";
  publish_file(folder / "index.html", page);
}

}  // namespace mom::codecs
