// Small data sets made in about a second, for tests that need real documents, codecs and encoded data:
// coloured shapes with captions and keywords (free order), and plain texts; and the same with codes and a
// voice of tones.
#pragma once

#include <ATen/Parallel.h>

#include <array>
#include <cmath>
#include <numbers>
#include <string>

#include "mom/data/codec_training.h"
#include "mom/data/document.h"
#include "mom/data/encode.h"
#include "mom/formats/image_file.h"
#include "mom/formats/sound_file.h"
#include "tests/support/temp_folder.h"

namespace mom::test {

inline constexpr int kTinyPictures = 24;  // 20 train, 4 validation, source "shapes"
inline constexpr int kTinyTexts = 36;     // 30 train, 6 validation, source "words"
inline constexpr std::array<const char*, 6> kTinyColours = {"red",   "green",  "blue",
                                                            "black", "yellow", "grey"};
inline constexpr std::array<const char*, 4> kTinyShapes = {"square", "disc", "bar", "frame"};

// A shape of 20 x 20 pixels, RGBA, transparent around.
inline formats::Image tiny_picture(int index) {
  constexpr std::array<std::array<uint8_t, 3>, 6> kRgb = {
      {{220, 30, 30}, {30, 160, 60}, {40, 60, 210}, {20, 20, 20}, {240, 210, 40}, {128, 128, 128}}};
  formats::Image image{20, 20, 4, std::vector<uint8_t>(20 * 20 * 4, 0)};
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 20; ++x) {
      const int dx = x - 10, dy = y - 10;
      const bool square = dx * dx < 49 && dy * dy < 49;
      const std::array<bool, 4> inside = {square, dx * dx + dy * dy < 64, dy * dy < 9,
                                          square && (dx * dx > 16 || dy * dy > 16)};
      if (!inside[static_cast<size_t>(index % 4)]) continue;
      uint8_t* pixel = &image.pixels[static_cast<size_t>(4 * (20 * y + x))];
      for (size_t c = 0; c < 3; ++c) pixel[c] = kRgb[static_cast<size_t>(index % 6)][c];
      pixel[3] = 255;
    }
  }
  return image;
}

inline data::Segment text_segment(std::string text, std::vector<std::string> keywords = {}) {
  return {"text", std::move(text), std::move(keywords), {}};
}

inline std::string tiny_text(int index) {
  std::string text = "Entry " + std::to_string(index) + ".";
  for (int i = 0; i < 12; ++i) {
    text += std::string(i % 4 == 0 ? "\nThe " : " The ") +
            kTinyColours[static_cast<size_t>((index + i) % 6)] + " " +
            kTinyShapes[static_cast<size_t>((index / 2 + i) % 4)] + " lies beside the other.";
  }
  return text;
}

// A tone for each colour and each shape, 0.4 s in all, 16 kHz.
inline std::string tiny_sound(int index) {
  std::vector<float> samples(6400);
  for (size_t i = 0; i < samples.size(); ++i) {
    const double hertz = i < 3200 ? 300 + 150 * (index % 6) : 1500 + 400 * (index % 4);
    samples[i] =
        static_cast<float>(0.3 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / 16000));
  }
  return formats::encode_wav(samples, 16000);
}

// Makes a documents folder at `folder`; `spoken` adds source "said": caption, picture and sound, in free
// order.
inline void make_tiny_documents(const Path& folder, bool spoken = false) {
  data::DocumentWriter writer(folder, /*replace=*/false);
  for (int i = 0; i < kTinyPictures; ++i) {
    const std::string colour = kTinyColours[static_cast<size_t>(i % 6)],
                      shape = kTinyShapes[static_cast<size_t>(i % 4)];
    data::Document document{"shape-" + std::to_string(i), true, {}};
    document.segments.push_back(text_segment(colour + " " + shape, {colour, shape, "figure"}));
    document.segments.push_back(
        {"image", "", {}, writer.add_media(document.key + ".png", formats::encode_png(tiny_picture(i)))});
    writer.add("shapes", i % 6 == 5 ? "validation" : "train", document);
    if (!spoken) continue;
    document.key = "said-" + std::to_string(i);
    document.segments[0].keywords.clear();
    document.segments.push_back({"speech", "", {}, writer.add_media(document.key + ".wav", tiny_sound(i))});
    writer.add("said", i % 6 == 5 ? "validation" : "train", document);
  }
  for (int i = 0; i < kTinyTexts; ++i) {
    writer.add("words", i % 6 == 5 ? "validation" : "train",
               {"text-" + std::to_string(i), false, {text_segment(tiny_text(i))}});
  }
  writer.commit();
}

// Codecs of 320 pieces and of 16 x 16 pictures as latents [4, 8, 8], trained on `documents`, at `text` and
// `image`.
inline void make_tiny_codecs(const Path& documents, const Path& text, const Path& image) {
  const Path configs = text.parent_path();
  write_file(configs / "tiny_text.toml", "kind = \"text\"\n[text]\nvocabulary = 320\n");
  write_file(
      configs / "tiny_image.toml",
      "kind = \"image_vae\"\n[image_vae]\nimage_size = 16\ndownsample = 2\nbase_channels = 8\nsteps = 30\n");
  data::train_codec({configs / "tiny_text.toml", {}, documents, text, false});
  data::train_codec({configs / "tiny_image.toml", {}, documents, image, false});
}

// Makes folder/documents, folder/codec-text, folder/codec-image and folder/encoded; returns the last.
// Leaves tensor operations at one thread: at these sizes more only wait for each other on a busy machine.
inline Path make_tiny_encoded(const Path& folder) {
  at::set_num_threads(1);
  std::filesystem::create_directories(folder);
  make_tiny_documents(folder / "documents");
  make_tiny_codecs(folder / "documents", folder / "codec-text", folder / "codec-image");
  data::EncodeOptions options;
  options.documents = folder / "documents";
  options.codecs = {folder / "codec-text", folder / "codec-image"};
  options.out = folder / "encoded";
  options.variants = 2;
  data::encode_documents(options);
  return options.out;
}

// The same with codes: pictures as 16 codes out of 16, sounds as 10 codes out of 12. Makes folder/documents,
// folder/codec-{text, image, speech}, folder/encoded; returns the last.
inline Path make_tiny_spoken(const Path& folder) {
  at::set_num_threads(1);
  std::filesystem::create_directories(folder);
  make_tiny_documents(folder / "documents", /*spoken=*/true);
  data::EncodeOptions options;
  options.documents = folder / "documents";
  options.out = folder / "encoded";
  options.variants = 2;
  const std::array<std::pair<const char*, const char*>, 3> configs = {
      {{"text", "kind = \"text\"\n[text]\nvocabulary = 320\n"},
       {"image",
        "kind = \"vq_image\"\n[vq_image]\nimage_size = 16\ndownsample = 4\ncodebook_size = 16\ncode_width = "
        "4\n"
        "base_channels = 8\nsteps = 40\n"},
       {"speech",
        "kind = \"speech\"\n[speech]\ncodebook_size = 12\nwidth = 16\ncode_channels = 4\nsteps = 10\n"
        "batch_sounds = 2\ngriffin_lim_iterations = 2\n"}}};
  for (const auto& [modality, config] : configs) {
    const Path file = folder / (std::string(modality) + ".toml"),
               codec = folder / (std::string("codec-") + modality);
    write_file(file, config);
    data::train_codec({file, {}, options.documents, codec, false});
    options.codecs.push_back(codec);
  }
  data::encode_documents(options);
  return options.out;
}

}  // namespace mom::test
