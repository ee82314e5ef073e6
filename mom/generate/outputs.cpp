#include "mom/generate/outputs.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "mom/base/markup.h"
#include "mom/codecs/mel.h"
#include "mom/formats/sound_file.h"

namespace mom::generate {
namespace {

constexpr int64_t kGap = 2;  // pixels between pictures of a grid

std::string file_of(const Segment& segment, int64_t number) {
  return segment.modality + "-" + std::to_string(number) + (segment.modality == "image" ? ".png" : ".wav");
}

constexpr const char* kPageHead = R"(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Generated document</title>
<meta name="viewport" content="width=device-width">
<style>body{font:16px/1.5 sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}
.given{color:#555;border-left:3px solid #bbb;padding-left:.8rem}p{white-space:pre-wrap}
img{image-rendering:pixelated;width:192px;max-width:100%}footer{color:#555;font-size:.85rem;margin-top:2rem}</style>
)";

std::string block_of(const OrderedJson& segment, const std::string& modality) {
  const std::string content = escape(segment[modality].get<std::string>());
  const std::string open = segment["given"].get<bool>() ? "<div class=\"given\">" : "<div>";
  if (modality == "text") return open + "<p>" + content + "</p></div>\n";
  if (modality == "image") return open + "<img src=\"" + content + "\" alt=\"picture\"></div>\n";
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

void publish_segment(const Path& file, const Segment& segment, CodecSet& codecs) {
  publish_file(file, segment.modality == "image"
                         ? formats::encode_png(codecs.picture_of(segment))
                         : formats::encode_wav(codecs.sound_of(segment), codecs::kSpeechRateHz));
}

void write_document(const Path& folder, const std::vector<Segment>& segments, CodecSet& codecs,
                    const OrderedJson& about) {
  OrderedJson document{{"format", "mom-document"}, {"version", 1}, {"segments", OrderedJson::array()}};
  std::string page = kPageHead;
  std::map<std::string, int64_t> count;
  for (const Segment& segment : segments) {
    OrderedJson entry;
    if (segment.modality == "text") {
      entry["text"] = codecs.text_of(segment.tokens);
    } else {
      const std::string name = file_of(segment, ++count[segment.modality]);
      publish_segment(folder / name, segment, codecs);
      entry[segment.modality] = name;
    }
    entry["given"] = segment.given;
    page += block_of(entry, segment.modality);
    document["segments"].push_back(entry);
  }
  document.update(about);
  publish_json(folder / "document.json", document);
  publish_file(folder / "index.html", page + "<footer>" + escape(about["run"].get<std::string>()) +
                                          ", seed " + about["seed"].dump() + "</footer>\n");
}

}  // namespace mom::generate
