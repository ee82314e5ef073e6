#include "mom/report/samples.h"

#include <algorithm>
#include <set>
#include <span>

#include "mom/base/error.h"
#include "mom/modality/presets.h"

namespace mom::report {
namespace {

using runs::CodecReport;
using runs::DenoisedItem;
using runs::GeneratedGrid;
using runs::GeneratedItem;
using runs::PredictedItem;
using runs::RunFolder;

// Limits, so that a page stays small enough to mail.
constexpr size_t kMaxDenoised = 16;   // per run
constexpr size_t kMaxPredicted = 12;  // per modality
constexpr size_t kMaxGenerated = 12;  // per run and bucket

// An item that several runs share, found by all that makes it the same, or added.
OrderedJson& shared(OrderedJson& items, const OrderedJson& same, size_t run) {
  const std::string place = std::to_string(run);
  for (OrderedJson& item : items) {
    const bool equal = std::all_of(same.items().begin(), same.items().end(),
                                   [&](const auto& each) { return item[each.key()] == each.value(); });
    if (equal && !item["of_runs"].contains(place)) return item;
  }
  items.push_back(same);
  items.back()["of_runs"] = OrderedJson::object();
  return items.back();
}

OrderedJson accuracy_json(const runs::Accuracy& accuracy) {
  return {{"share", accuracy.share}, {"low", accuracy.low}, {"high", accuracy.high}};
}

template <class Value, class Json>
void add_if(OrderedJson& object, const char* name, const std::optional<Value>& value, const Json& json) {
  if (value) object[name] = json(*value);
}

const auto kDistance = [](const runs::Distance& distance) {
  return OrderedJson{{"mean", distance.mean}, {"error", distance.standard_error}};
};
const auto kItself = [](auto value) { return value; };

OrderedJson figures_of(const runs::GeneratedImages& images) {
  OrderedJson json = {{"bucket", images.bucket},
                      {"among", images.among},
                      {"retrieved", accuracy_json(images.retrieved)},
                      {"retrieved_from_real", accuracy_json(images.retrieved_from_real)}};
  add_if(json, "accepted", images.accepted, kItself);
  add_if(json, "kid", images.kid, kDistance);
  add_if(json, "kid_of_training_images", images.kid_of_training_images, kDistance);
  add_if(json, "copies", images.copies, accuracy_json);
  add_if(json, "copies_in_real", images.copies_in_real, accuracy_json);
  add_if(json, "seam_ratio", images.seam_ratio, kItself);
  add_if(json, "frechet", images.frechet, kItself);
  add_if(json, "frechet_of_training_images", images.frechet_of_training_images, kItself);
  add_if(json, "nearest_ratio", images.nearest_ratio, kItself);
  return json;
}

OrderedJson quality_json(size_t run, const runs::GenerationQuality& quality) {
  OrderedJson json = {{"run", run}, {"step", quality.step}, {"images", OrderedJson::array()}};
  for (const auto& images : quality.images) json["images"].push_back(figures_of(images));
  json["caption_use"] = OrderedJson::array();
  for (const auto& use : quality.caption_use) {
    OrderedJson levels = OrderedJson::array();
    for (const auto& level : use.levels)
      levels.push_back(
          {{"from", level.from}, {"to", level.to}, {"mean", level.use}, {"error", level.standard_error}});
    json["caption_use"].push_back(
        {{"bucket", use.bucket}, {"mean", use.use}, {"error", use.standard_error}, {"levels", levels}});
  }
  if (quality.grid) json["drawn"] = quality.grid->drawn;
  json["ranked"] = OrderedJson::array();
  for (const auto& ranked : quality.ranked)
    json["ranked"].push_back({{"modality", ranked.modality},
                              {"source", ranked.source},
                              {"among", ranked.among},
                              {"found", accuracy_json(ranked.by_information)}});
  json["bits_per_byte"] = quality.bits_per_byte;
  return json;
}

// The rows of a grid, each an image.
std::vector<formats::Image> strips_of(const GeneratedGrid& grid) {
  const std::string bytes = read_file(grid.file, uint64_t{16} << 20);
  const formats::Image sheet = formats::decode_image(std::as_bytes(std::span(bytes)), grid.file.string());
  const int64_t cell = grid.side + grid.gap, num_rows = std::ssize(grid.rows);
  if (grid.side < 1 || grid.gap < 0 || sheet.width != grid.seeds * cell - grid.gap ||
      sheet.height != num_rows * cell - grid.gap)
    throw InputError({grid.file.string(), "an image of " + std::to_string(num_rows) + " rows of captions",
                      std::to_string(sheet.width) + " x " + std::to_string(sheet.height) + " pixels",
                      "draw it again"});
  std::vector<formats::Image> strips;
  const int64_t row_bytes = sheet.width * sheet.channels;
  for (int64_t row = 0; row < num_rows; ++row) {
    const auto first = sheet.pixels.begin() + row_bytes * row * cell;
    strips.push_back({sheet.width, grid.side, sheet.channels, {first, first + row_bytes * grid.side}});
  }
  return strips;
}

void add_grid(OrderedJson& grid, const GeneratedGrid& of_run, size_t run, Media& media) {
  const std::vector<formats::Image> strips = strips_of(of_run);
  for (size_t row = 0; row < strips.size(); ++row) {
    const auto& [caption, bucket] = of_run.rows[row];
    shared(grid, {{"caption", caption}, {"bucket", bucket}}, run)["of_runs"][std::to_string(run)] =
        media.add(strips[row]);
  }
}

void add_generated(OrderedJson& items, const runs::GeneratedImages& images, size_t run, Media& media) {
  for (size_t i = 0; i < std::min(images.items.size(), kMaxGenerated); ++i) {
    const GeneratedItem& item = images.items[i];
    const OrderedJson same = {
        {"bucket", images.bucket}, {"caption", item.caption}, {"original", media.add(item.original)}};
    shared(items, same, run)["of_runs"][std::to_string(run)] = {{"generated", media.add(item.generated)},
                                                                {"nearest", media.add(item.nearest)},
                                                                {"nearest_caption", item.nearest_caption}};
  }
}

OrderedJson codec_json(const CodecReport& codec, Media& media) {
  OrderedJson json = {{"modality", codec.modality}, {"kind", codec.kind}, {"hash", codec.hash}};
  json["figures"] = OrderedJson::object();
  for (const auto& [key, value] : codec.figures.items())
    if (!value.is_structured()) json["figures"][key] = value;
  json["images"] = json["sounds"] = OrderedJson::array();
  for (const Path& image : codec.images)
    json["images"].push_back({{"name", image.stem().string()}, {"media", media.add(image)}});
  for (size_t i = 0; i < std::min(codec.sounds.size(), kMaxPredicted); ++i)
    json["sounds"].push_back(
        {{"original", media.add(codec.sounds[i].first)}, {"decoded", media.add(codec.sounds[i].second)}});
  return json;
}

}  // namespace

// Runs given the same noised image share an item; other noise would make them not comparable.
OrderedJson denoised_json(const Runs& runs, Media& media) {
  OrderedJson items = OrderedJson::array(), steps = OrderedJson::array();
  size_t left_out = 0;
  for (size_t run = 0; run < runs.size(); ++run) {
    const std::vector<DenoisedItem>& of_run = runs[run].denoised;
    if (of_run.empty()) continue;
    steps.push_back({{"run", run}, {"step", runs[run].denoised_step}});
    const size_t shown = std::min(of_run.size(), kMaxDenoised);
    left_out = std::max(left_out, of_run.size() - shown);
    for (size_t i = 0; i < shown; ++i) {
      const OrderedJson same = {{"caption", of_run[i].caption},
                                {"timestep", of_run[i].timestep},
                                {"sound", is_sound(of_run[i].original)},
                                {"original", media.add(of_run[i].original)},
                                {"noised", media.add(of_run[i].noised)}};
      shared(items, same, run)["of_runs"][std::to_string(run)] = media.add(of_run[i].denoised);
    }
  }
  if (items.empty()) return nullptr;
  return {{"steps", steps}, {"items", items}, {"left_out", left_out}};
}

OrderedJson predicted_json(const Runs& runs, Media& media) {
  OrderedJson items = OrderedJson::array(), steps = OrderedJson::array();
  for (size_t run = 0; run < runs.size(); ++run) {
    if (!runs[run].predicted.empty()) steps.push_back({{"run", run}, {"step", runs[run].predicted_step}});
    std::map<std::string, size_t> shown;
    for (const PredictedItem& item : runs[run].predicted) {
      if (shown[item.modality]++ >= kMaxPredicted) continue;
      const OrderedJson same = {{"modality", item.modality},
                                {"caption", item.caption},
                                {"sound", is_sound(item.original)},
                                {"original", media.add(item.original)}};
      shared(items, same, run)["of_runs"][std::to_string(run)] = media.add(item.predicted);
    }
  }
  if (items.empty()) return nullptr;
  return {{"steps", steps}, {"items", items}};
}

OrderedJson generation_json(const Runs& runs, Media& media) {
  OrderedJson all = OrderedJson::array(), grid = OrderedJson::array(), items = OrderedJson::array();
  for (size_t run = 0; run < runs.size(); ++run) {
    if (!runs[run].generation) continue;
    all.push_back(quality_json(run, *runs[run].generation));
    if (runs[run].generation->grid) add_grid(grid, *runs[run].generation->grid, run, media);
    for (const auto& images : runs[run].generation->images) add_generated(items, images, run, media);
  }
  if (all.empty()) return nullptr;
  return {{"runs", all}, {"grid", grid}, {"items", items}};
}

OrderedJson codecs_json(const Runs& runs, Media& media) {
  OrderedJson codecs = OrderedJson::array();
  std::set<std::string> seen;
  for (const RunFolder& run : runs)
    for (const CodecReport& codec : run.codecs)
      if (seen.insert(codec.hash).second && codec.modality != modality::kTextName)
        codecs.push_back(codec_json(codec, media));
  return codecs.empty() ? OrderedJson(nullptr) : codecs;
}

}  // namespace mom::report
