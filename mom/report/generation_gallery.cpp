#include "mom/report/generation_gallery.h"

#include <algorithm>
#include <map>
#include <span>

#include "mom/base/error.h"
#include "mom/formats/image_file.h"
#include "mom/report/cells.h"
#include "mom/report/charts.h"
#include "mom/report/generation_table.h"
#include "mom/report/html.h"

namespace mom::report {
namespace {

using runs::GeneratedGrid;
using runs::GeneratedItem;
using runs::RunFolder;

constexpr size_t kMaxGenerated = 12;  // per run and bucket, so that the page stays small enough to mail

// Runs that were asked for the same caption, with the same held-out image, share a row.
struct Shot {
  std::string bucket, caption, original;  // data URI
  std::vector<const GeneratedItem*> of_runs;
};

void add_shots(std::vector<Shot>& shots, const runs::GeneratedImages& images, size_t run, size_t num_runs) {
  for (size_t i = 0; i < std::min(images.items.size(), kMaxGenerated); ++i) {
    const GeneratedItem& item = images.items[i];
    const std::string original = data_uri(item.original);
    auto same = std::find_if(shots.begin(), shots.end(), [&](const Shot& shot) {
      return shot.bucket == images.bucket && shot.caption == item.caption && shot.original == original &&
             !shot.of_runs[run];
    });
    if (same == shots.end())
      same = shots.insert(
          shots.end(), {images.bucket, item.caption, original, std::vector<const GeneratedItem*>(num_runs)});
    same->of_runs[run] = &item;
  }
}

std::vector<Shot> load_shots(const std::vector<RunFolder>& runs) {
  std::vector<Shot> shots;
  for (size_t run = 0; run < runs.size(); ++run)
    if (runs[run].generation)
      for (const runs::GeneratedImages& images : runs[run].generation->images)
        add_shots(shots, images, run, runs.size());
  return shots;
}

// Captions carry all their keywords; under a small image a few words do.
std::string shortened(const std::string& caption) {
  constexpr size_t kMost = 40;
  if (caption.size() <= kMost) return caption;
  const size_t space = caption.rfind(' ', kMost);
  return caption.substr(0, space == std::string::npos ? caption.size() : space) + " …";
}

std::string shot_html(const Shot& shot, const std::vector<std::string>& labels) {
  std::string out = "<figure><div class=\"strip\">" + image_cell(shot.original, "real", shot.caption);
  for (size_t run = 0; run < labels.size(); ++run) {
    const GeneratedItem* item = shot.of_runs[run];
    if (!item) continue;
    out += image_cell(data_uri(item->generated), labels[run], shot.caption + ", by " + labels[run]) +
           image_cell(data_uri(item->nearest), "nearest: " + shortened(item->nearest_caption),
                      "training image nearest to it: " + item->nearest_caption);
  }
  return out + "</div><figcaption>" + escape(shot.caption) + "</figcaption></figure>\n";
}

// The rows of a grid, each an image.
std::vector<std::string> strips_of(const GeneratedGrid& grid) {
  const std::string bytes = read_file(grid.file, uint64_t{16} << 20);
  const formats::Image sheet = formats::decode_image(std::as_bytes(std::span(bytes)), grid.file.string());
  const int64_t cell = grid.side + grid.gap, num_rows = std::ssize(grid.rows);
  if (grid.side < 1 || grid.gap < 0 || sheet.width != grid.seeds * cell - grid.gap ||
      sheet.height != num_rows * cell - grid.gap)
    throw InputError({grid.file.string(), "an image of " + std::to_string(num_rows) + " rows of captions",
                      std::to_string(sheet.width) + " x " + std::to_string(sheet.height) + " pixels",
                      "run mom eval --generation again"});
  std::vector<std::string> strips;
  const size_t row_bytes = static_cast<size_t>(sheet.width * sheet.channels);
  for (int64_t row = 0; row < num_rows; ++row) {
    const auto first = sheet.pixels.begin() + static_cast<int64_t>(row_bytes) * row * cell;
    strips.push_back(data_uri(formats::Image{sheet.width,
                                             grid.side,
                                             sheet.channels,
                                             {first, first + static_cast<int64_t>(row_bytes) * grid.side}}));
  }
  return strips;
}

}  // namespace

std::string generated_grid(const Subject& subject) {
  const auto labels = run_labels(subject.runs);
  // In the order of the first run that has them.
  std::vector<std::pair<std::string, std::string>> order;  // bucket, caption
  std::map<std::pair<std::string, std::string>, std::string> html;
  for (size_t run = 0; run < subject.runs.size(); ++run) {
    const auto& generation = subject.runs[run].generation;
    if (!generation || !generation->grid) continue;
    const std::vector<std::string> strips = strips_of(*generation->grid);
    for (size_t row = 0; row < strips.size(); ++row) {
      const auto& [caption, bucket] = generation->grid->rows[row];
      std::string& cell = html[{bucket, caption}];
      if (cell.empty()) order.push_back({bucket, caption});
      cell += "<div><img src=\"" + strips[row] + "\" alt=\"" + escape(caption + ", by " + labels[run]) +
              "\"><span>" + escape(labels[run]) + "</span></div>";
    }
  }
  if (order.empty()) return "";
  std::string out = "<div class=\"gallery\">\n";
  for (const auto& key : order)
    out += "<figure><div class=\"seeds\">" + html[key] + "</div><figcaption>" + escape(key.second) +
           " <small>(" + bucket_words(key.first) + ")</small></figcaption></figure>\n";
  return out + "</div>\n";
}

std::string generated_gallery(const Subject& subject) {
  const auto labels = run_labels(subject.runs);
  std::map<std::string, std::string> of_buckets;
  for (const Shot& shot : load_shots(subject.runs)) of_buckets[shot.bucket] += shot_html(shot, labels);
  std::string out;
  for (const char* bucket : runs::kBuckets)
    if (of_buckets.contains(bucket))
      out += "<h3>Images for " + bucket_words(bucket) + "</h3>\n<div class=\"gallery\">\n" +
             of_buckets[bucket] + "</div>\n";
  return out;
}

}  // namespace mom::report
