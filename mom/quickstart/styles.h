// The same emoji in other styles: npm packages with one file per emoji, named by its code points, or with an icon set
// (icon_set.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mom/quickstart/emoji_list.h"
#include "mom/quickstart/packages.h"

namespace mom::quickstart {

struct Style {
  std::string_view source;   // of the documents
  std::string_view package;  // of npm, below usr/local/lib/node_modules
  std::string_view folder;   // in the package
  std::string_view ending;   // of its files; ".json": an icon set, icons.json
  std::string_view words;    // what a caption calls it
};
inline constexpr Style kTwemoji = {"twemoji", "@twemoji/svg", "", ".svg", "twemoji"};
inline constexpr Style kFluent = {"fluent", "@lobehub/fluent-emoji-3d", "assets", ".webp", "fluent 3d"};
inline constexpr Style kFluentFlat = {"fluent_flat", "@iconify-json/fluent-emoji-flat", "", ".json",
                                      "fluent flat"};
inline constexpr Style kNotoV1 = {"noto_v1", "@iconify-json/noto-v1", "", ".json", "old noto"};
inline constexpr Style kEmojiOne = {"emojione", "@iconify-json/emojione", "", ".json", "emojione"};

struct StyleImage {
  size_t emoji = 0;   // index of the list
  std::string name;   // "1f34e.png": PNG where the style has SVG
  std::string bytes;  // of the image's file
};

// Those of `emoji` that the style has, in order. SVG is drawn by the program rsvg-convert, 128 pixels the
// longer side. InputError when the package is missing or has none of them.
std::vector<StyleImage> read_style(const Style& style, const Packages& packages,
                                   const std::vector<Emoji>& emoji);

// The stem of an emoji's file in a style with files: lower-case hex joined with "-".
std::string style_file_stem(const Style& style, const Emoji& emoji);

}  // namespace mom::quickstart
