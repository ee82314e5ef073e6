#include "mom/quickstart/styles.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>

#include "mom/base/error.h"
#include "mom/quickstart/icon_set.h"
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

std::string drawn(const std::string& file, const std::string& where) {
  return run_program(
      {"rsvg-convert", "--keep-aspect-ratio", "--width", kStyleSide, "--height", kStyleSide, file}, where,
      "librsvg2-bin");
}

// The program reads it from memory, by the name that this process' children know it by.
std::string drawn_svg(const std::string& svg, const std::string& where) {
  const int fd = ::memfd_create("icon", 0);
  if (fd < 0 || ::write(fd, svg.data(), svg.size()) != static_cast<ssize_t>(svg.size()))
    throw ResourceError(where + ": " + std::strerror(errno));
  std::string png = drawn("/proc/self/fd/" + std::to_string(fd), where);
  ::close(fd);
  return png;
}

using Draw = std::function<std::string()>;

// How each emoji is drawn that the style has; empty: it has not.
std::vector<Draw> icons_of(const Path& folder, const std::vector<Emoji>& emoji) {
  const Path file = folder / "icons.json";
  const IconSet icons(file);
  std::vector<Draw> draws;
  for (const Emoji& one : emoji) {
    const std::string svg = icons.svg(icon_names(one.name)), where = file.string() + ": " + one.name;
    draws.push_back(svg.empty() ? Draw() : [svg, where] { return drawn_svg(svg, where); });
  }
  return draws;
}

std::vector<Draw> files_of(const Style& style, const Path& folder, const std::vector<Emoji>& emoji) {
  std::vector<Draw> draws;
  for (const Emoji& one : emoji) {
    const Path file = folder / (style_file_stem(style, one) + std::string(style.ending));
    const bool is_drawn = style.ending == ".svg";
    draws.push_back(!std::filesystem::is_regular_file(file) ? Draw() : [file, is_drawn] {
      return is_drawn ? drawn(file.string(), file.string()) : read_file(file);
    });
  }
  return draws;
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
  const bool is_icon_set = style.ending == ".json";
  const std::vector<Draw> draws = is_icon_set ? icons_of(folder, emoji) : files_of(style, folder, emoji);
  std::vector<StyleImage> images;
  for (size_t i = 0; i < emoji.size(); ++i)
    if (draws[i]) images.push_back({i, emoji[i].key() + (style.ending == ".webp" ? ".webp" : ".png"), {}});
  if (images.empty())
    throw InputError({folder.string(), "images of emoji", "none",
                      "install the package " + std::string(style.package) + " again"});
  auto bytes = run_in_processes(
      static_cast<int64_t>(images.size()), default_processes(), "reading " + std::string(style.source),
      [&](int64_t i) { return draws[images[static_cast<size_t>(i)].emoji](); }, [](int64_t) {});
  for (size_t i = 0; i < images.size(); ++i) images[i].bytes = std::move(bytes[i]);
  return images;
}

}  // namespace mom::quickstart
