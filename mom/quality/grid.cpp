#include "mom/quality/grid.h"

#include <set>

#include "mom/base/random.h"

namespace mom::quality {
namespace {

constexpr int64_t kGridGap = 2;

formats::Image sheet(const std::vector<formats::Image>& images) {
  const int64_t side = images.front().width, cell = side + kGridGap, rows = std::ssize(images) / kGridSeeds;
  formats::Image sheet{kGridSeeds * cell - kGridGap, rows * cell - kGridGap, 3, {}};
  sheet.pixels.assign(static_cast<size_t>(3 * sheet.width * sheet.height), 255);
  for (int64_t i = 0; i < std::ssize(images); ++i)
    formats::paste(sheet, images[static_cast<size_t>(i)], i % kGridSeeds * cell, i / kGridSeeds * cell);
  return sheet;
}

}  // namespace

std::vector<GridRow> grid_rows(const std::vector<Bucket>& buckets) {
  std::vector<GridRow> rows;
  std::set<std::vector<int32_t>> seen;  // other sources have the same captions
  for (size_t b = 0; b < buckets.size(); ++b) {
    const int64_t left = kGridCaptions - std::ssize(rows),
                  buckets_left = std::ssize(buckets) - static_cast<int64_t>(b);
    std::vector<size_t> distinct;
    for (const size_t i : first_of_each_caption(buckets[b].pairs))
      if (seen.insert(buckets[b].pairs[i].caption).second) distinct.push_back(i);
    if (distinct.empty()) continue;
    for (const size_t i : spread(distinct, std::min(left / buckets_left, std::ssize(distinct))))
      rows.push_back({buckets[b].name, &buckets[b].pairs[i]});
  }
  return rows;
}

OrderedJson draw_grid(const generate::Network& network, const generate::ModelCodecs& codecs,
                      const std::vector<Bucket>& buckets, const QualityOptions& options, const Path& file) {
  const std::vector<GridRow> rows = grid_rows(buckets);
  std::vector<Wish> wishes;
  for (size_t row = 0; row < rows.size(); ++row)
    for (uint64_t seed = 1; seed <= kGridSeeds; ++seed)
      wishes.push_back({rows[row].pair, stream_key({seed, fnv1a64("grid"), row})});
  std::vector<formats::Image> images;
  for (const generate::Segment& drawn : draw_images(network, codecs, wishes, options, "images of the grid"))
    images.push_back(std::get<formats::Image>(codecs.media_of(drawn)));
  publish_file(file, formats::encode_png(sheet(images)));
  OrderedJson json{{"file", file.filename().string()},
                   {"seeds", kGridSeeds},
                   {"side", images.front().width},
                   {"gap", kGridGap},
                   {"guidance", options.guidance}};
  if (network.model()->spec().latents()) {
    json["sampler"] = options.sampler;
    json["steps"] = options.steps;
  }
  for (const GridRow& row : rows)
    json["rows"].push_back({{"caption", codecs.text_of(row.pair->caption)}, {"bucket", row.bucket}});
  return json;
}

}  // namespace mom::quality
