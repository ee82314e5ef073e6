#include "mom/data/inspect.h"

#include <algorithm>
#include <cstdio>

#include "mom/base/error.h"
#include "mom/base/rounding.h"
#include "mom/base/utf8.h"
#include "mom/data/document.h"
#include "mom/data/inspect_tables.h"
#include "mom/formats/image_file.h"

namespace mom::data {
namespace {

constexpr int64_t kCell = 80, kGap = 8, kColumns = 12, kMaxPictures = 96;

// At most `limit` bytes on one line, cut between characters.
std::string excerpt(const std::string& text, size_t limit) {
  std::string line = text.substr(0, limit);
  while (find_invalid_utf8(line)) line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line.size() < text.size() ? line + " ..." : line;
}

std::string describe(const Document& document) {
  std::string line = "  " + document.key + ":";
  for (const Segment& segment : document.segments) {
    if (segment.modality != kText) {
      char seconds[32] = "";
      if (segment.seconds > 0) std::snprintf(seconds, sizeof seconds, " %.1f s", segment.seconds);
      line += " [" + segment.modality + seconds + "]";
      continue;
    }
    line += " \"" + excerpt(segment.text, 100) + "\"";
    for (size_t i = 0; i < segment.keywords.size(); ++i) line += (i == 0 ? " (" : ", ") + segment.keywords[i];
    if (!segment.keywords.empty()) line += ")";
  }
  return line + "\n";
}

// Spread evenly over the collection.
std::string examples(const DocumentReader& reader, const Collection& collection, uint64_t count) {
  std::string text = collection.source + ", " + collection.split + ":\n";
  uint64_t position = 0, shown = 0;
  count = std::min(count, collection.num_documents);
  reader.for_each(collection, [&](const Document& document) {
    if (shown < count && position++ == shown * collection.num_documents / count) {
      text += describe(document);
      ++shown;
    }
  });
  return text;
}

std::vector<MediaRef> spread_pictures(const DocumentReader& reader) {
  std::vector<MediaRef> all, chosen;
  for (const Collection& collection : reader.collections()) {
    if (!collection.num_segments.contains(kImage)) continue;
    reader.for_each(collection, [&](const Document& document) {
      for (const Segment& segment : document.segments)
        if (segment.modality == kImage && !segment.encoded) all.push_back(segment.media);
    });
  }
  size_t count = std::min<size_t>(all.size(), kMaxPictures);
  for (size_t i = 0; i < count; ++i) chosen.push_back(all[i * all.size() / count]);
  return chosen;
}

}  // namespace

OrderedJson inspect_json(const Path& folder) {
  FolderSummary summary = summarise_folder(folder);
  OrderedJson json = {{"documents", summary.num_documents()}, {"segments", summary.num_segments()}};
  if (summary.encoded) json["tokens"] = summary.num_tokens();
  if (summary.speech_seconds() > 0) json["seconds"] = {{kSpeech, summary.speech_seconds()}};
  json["skipped"] = summary.skipped;
  return json;
}

std::string inspect_text(const Path& folder, int num_examples) {
  FolderSummary summary = summarise_folder(folder);
  std::string text = format_table(summary);
  if (summary.skipped > 0) text += std::to_string(summary.skipped) + " bad samples were skipped\n";
  if (summary.encoded || num_examples <= 0) return text;
  DocumentReader reader(folder);
  for (const Collection& collection : reader.collections())
    text += "\n" + examples(reader, collection, static_cast<uint64_t>(num_examples));
  return text;
}

void write_contact_sheet(const Path& folder, const Path& png) {
  DocumentReader reader(folder);
  std::vector<MediaRef> pictures = spread_pictures(reader);
  if (pictures.empty()) throw InputError({folder.string(), "documents with pictures", "none", ""});
  auto count = static_cast<int64_t>(pictures.size());
  int64_t columns = std::min(kColumns, count), rows = ceil_div(count, kColumns);
  formats::Image sheet{.width = columns * (kCell + kGap) + kGap,
                       .height = rows * (kCell + kGap) + kGap,
                       .channels = 3,
                       .pixels = {}};
  sheet.pixels.assign(static_cast<size_t>(sheet.width * sheet.height * 3), 235);
  for (int64_t i = 0; i < count; ++i) {
    const MediaRef& media = pictures[static_cast<size_t>(i)];
    std::string bytes = reader.read_media(media),
                where = (folder / media.file).string() + ": byte " + std::to_string(media.offset);
    auto image = formats::decode_image(std::as_bytes(std::span(bytes.data(), bytes.size())), where);
    formats::paste(sheet, formats::fit_square(formats::blend_on_white(image), kCell),
                   kGap + i % kColumns * (kCell + kGap), kGap + i / kColumns * (kCell + kGap));
  }
  publish_file(png, formats::encode_png(sheet));
}

}  // namespace mom::data
