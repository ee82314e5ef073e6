#include "mom/quickstart/styles.h"

#include <algorithm>
#include <cstdio>

#include "mom/base/error.h"
#include "mom/quickstart/workers.h"

namespace mom::quickstart {
namespace {

constexpr std::string_view kModules = "usr/local/lib/node_modules";
constexpr const char* kStyleSide = "128";

// Twemoji names a sequence without U+FE0F, unless it is a joined one.
std::vector<char32_t> named_code_points(const Style& style, const Emoji& emoji) {
  std::vector<char32_t> points = emoji.code_points;
  const bool joined = std::find(points.begin(), points.end(), kJoiner) != points.end();
  if (style.source == kTwemoji.source && !joined) std::erase(points, kPresentation);
  return points;
}

std::string hex(char32_t point, int digits) {
  char text[12];
  std::snprintf(text, sizeof text, "%0*x", digits, static_cast<unsigned>(point));
  return text;
}

std::string drawn(const Path& file) {
  return run_program(
      {"rsvg-convert", "--keep-aspect-ratio", "--width", kStyleSide, "--height", kStyleSide, file.string()},
      file.string(), "librsvg2-bin");
}

}  // namespace

std::string style_file_stem(const Style& style, const Emoji& emoji) {
  const int digits = style.source == kTwemoji.source ? 1 : 4;  // "23-fe0f-20e3", "0023-fe0f-20e3"
  std::string stem;
  for (const char32_t point : named_code_points(style, emoji))
    stem += (stem.empty() ? "" : "-") + hex(point, digits);
  return stem;
}

std::vector<StyleImage> read_style(const Style& style, const Packages& packages,
                                   const std::vector<Emoji>& emoji) {
  const Path folder =
      packages.folder((Path(kModules) / style.package / style.folder).string(), style.package);
  const bool is_drawn = style.ending == ".svg";
  std::vector<StyleImage> images;
  std::vector<Path> files;
  for (size_t i = 0; i < emoji.size(); ++i) {
    const Path file = folder / (style_file_stem(style, emoji[i]) + std::string(style.ending));
    if (!std::filesystem::is_regular_file(file)) continue;
    files.push_back(file);
    images.push_back({i, emoji[i].key() + (is_drawn ? ".png" : std::string(style.ending)), {}});
  }
  if (files.empty())
    throw InputError({folder.string(), "images named by code points", "none",
                      "install the package " + std::string(style.package) + " again"});
  auto bytes = run_in_processes(
      static_cast<int64_t>(files.size()), default_processes(), "reading " + std::string(style.source),
      [&](int64_t i) {
        const Path& file = files[static_cast<size_t>(i)];
        return is_drawn ? drawn(file) : read_file(file);
      },
      [](int64_t) {});
  for (size_t i = 0; i < files.size(); ++i) images[i].bytes = std::move(bytes[i]);
  return images;
}

}  // namespace mom::quickstart
