#include "mom/generate/outputs.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "mom/base/markup.h"

namespace mom::generate {
namespace {

constexpr int64_t kGap = 2;  // pixels between pictures of a grid

constexpr const char* kPageHead = R"(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Generated document</title>
<meta name="viewport" content="width=device-width">
<style>body{font:16px/1.5 sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}
.given{color:#555;border-left:3px solid #bbb;padding-left:.8rem}p{white-space:pre-wrap}
img{image-rendering:pixelated;width:192px;max-width:100%}footer{color:#555;font-size:.85rem;margin-top:2rem}</style>
)";

std::string block_of(const std::string& text_or_file, bool given, codecs::MediaKind media) {
  const std::string content = escape(text_or_file);
  const std::string open = given ? "<div class=\"given\">" : "<div>";
  if (media == codecs::MediaKind::kText) return open + "<p>" + content + "</p></div>\n";
  if (media == codecs::MediaKind::kImage)
    return open + "<img src=\"" + content + "\" alt=\"picture\"></div>\n";
  return open + "<audio controls preload=\"none\" src=\"" + content + "\"></audio></div>\n";
}

}  // namespace

formats::Image picture_grid(const std::vector<formats::Image>& pictures) {
  const auto count = static_cast<int64_t>(pictures.size());
  const auto columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  const int64_t rows = (count + columns - 1) / columns, width = pictures[0].width,
                height = pictures[0].height;
  formats::Image grid{columns * (width + kGap) - kGap, rows * (height + kGap) - kGap, 3, {}};
  grid.pixels.assign(static_cast<size_t>(3 * grid.width * grid.height), 255);
  for (int64_t i = 0; i < count; ++i)
    formats::paste(grid, pictures[static_cast<size_t>(i)], i % columns * (width + kGap),
                   i / columns * (height + kGap));
  return grid;
}

void write_document(const Path& folder, const std::vector<Segment>& segments, const ModelCodecs& codecs,
                    const OrderedJson& about) {
  OrderedJson document{{"format", "mom-document"}, {"version", 1}, {"segments", OrderedJson::array()}};
  std::string page = kPageHead;
  std::map<std::string, int64_t> count;
  for (const Segment& segment : segments) {
    const codecs::MediaKind media = codecs.media_kind(segment.modality);
    std::string content;  // text, or the file's name
    if (media == codecs::MediaKind::kText) {
      content = codecs.text_of(segment.tokens);
    } else {
      content =
          segment.modality + "-" + std::to_string(++count[segment.modality]) + codecs::file_ending(media);
      publish_file(folder / content, codecs::to_file(codecs.media_of(segment)));
    }
    OrderedJson entry{{segment.modality, content}, {"given", segment.given}};
    page += block_of(content, segment.given, media);
    document["segments"].push_back(entry);
  }
  document.update(about);
  publish_json(folder / "document.json", document);
  publish_file(folder / "index.html", page + "<footer>" + escape(about["run"].get<std::string>()) +
                                          ", seed " + about["seed"].dump() + "</footer>\n");
}

}  // namespace mom::generate
