#include "mom/generate/outputs.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "mom/base/markup.h"
#include "mom/base/rounding.h"
#include "mom/codecs/decode_command.h"

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

// Of a file that is shown: an array is linked, and what it was decoded to is shown.
codecs::MediaKind kind_of_file(const std::string& name) {
  for (const codecs::MediaKind kind : {codecs::MediaKind::kImage, codecs::MediaKind::kSound})
    if (name.ends_with(codecs::file_ending(kind))) return kind;
  return codecs::MediaKind::kArray;
}

std::string block_of(const std::string& text_or_file, bool given, codecs::MediaKind media) {
  const std::string content = escape(text_or_file);
  const std::string open = given ? "<div class=\"given\">" : "<div>";
  if (media == codecs::MediaKind::kText) return open + "<p>" + content + "</p></div>\n";
  if (media == codecs::MediaKind::kImage)
    return open + "<img src=\"" + content + "\" alt=\"picture\"></div>\n";
  if (media == codecs::MediaKind::kArray)
    return open + "<a href=\"" + content + "\">" + content + "</a></div>\n";
  return open + "<audio controls preload=\"none\" src=\"" + content + "\"></audio></div>\n";
}

}  // namespace

formats::Image picture_grid(const std::vector<formats::Image>& pictures) {
  const auto count = static_cast<int64_t>(pictures.size());
  const auto columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  const int64_t rows = ceil_div(count, columns), width = pictures[0].width, height = pictures[0].height;
  formats::Image grid{columns * (width + kGap) - kGap, rows * (height + kGap) - kGap, 3, {}};
  grid.pixels.assign(static_cast<size_t>(3 * grid.width * grid.height), 255);
  for (int64_t i = 0; i < count; ++i)
    formats::paste(grid, pictures[static_cast<size_t>(i)], i % columns * (width + kGap),
                   i / columns * (height + kGap));
  return grid;
}

void ItemWriter::write(const Segment& segment, const Path& file) const {
  const std::string content = codecs::to_file(codecs_.media_of(segment));
  const codecs::ExternalCodec* codec = codecs_.external(segment.modality);
  if (!codec || kind_of_file(file.filename().string()) == codecs::MediaKind::kArray)
    return publish_file(file, content);
  // Decoders go by a file's ending, which one that is written aside has not.
  FolderPublisher work(file.string() + ".decoding", /*replace=*/true);
  const Path array = work.path() / "item.npy", decoded = work.path() / ("item" + file.extension().string());
  publish_file(array, content);
  codecs::run_decode_command(codec->config().decode, array, decoded, decoding_.limit_s);
  publish_file(file, read_file(decoded));
}

std::vector<std::string> ItemWriter::write_beside(const Segment& segment, const Path& folder,
                                                  const std::string& name) const {
  return codecs::write_item(codecs_.media_of(segment), codecs_.external(segment.modality), folder, name,
                            decoding_);
}

void write_document(const Path& folder, const std::vector<Segment>& segments, const ModelCodecs& codecs,
                    const ItemWriter& items, const OrderedJson& about) {
  OrderedJson document{{"format", "mom-document"}, {"version", 1}, {"segments", OrderedJson::array()}};
  std::string page = kPageHead;
  std::map<std::string, int64_t> count;
  for (const Segment& segment : segments) {
    if (codecs.media_kind(segment.modality) == codecs::MediaKind::kText) {
      const std::string text = codecs.text_of(segment.tokens);
      document["segments"].push_back({{segment.modality, text}, {"given", segment.given}});
      page += block_of(text, segment.given, codecs::MediaKind::kText);
      continue;
    }
    const std::vector<std::string> files = items.write_beside(
        segment, folder, segment.modality + "-" + std::to_string(++count[segment.modality]));
    OrderedJson entry{{segment.modality, files[0]}, {"given", segment.given}};
    if (files.size() > 1) entry["decoded"] = files[1];
    page += block_of(files.back(), segment.given, kind_of_file(files.back()));
    document["segments"].push_back(entry);
  }
  document.update(about);
  publish_json(folder / "document.json", document);
  publish_file(folder / "index.html", page + "<footer>" + escape(about["run"].get<std::string>()) +
                                          ", seed " + about["seed"].dump() + "</footer>\n");
}

}  // namespace mom::generate
