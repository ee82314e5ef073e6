#include "mom/runs/run_folder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <utility>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/runs/inside.h"
#include "mom/runs/metrics.h"

namespace mom::runs {
namespace fs = std::filesystem;
namespace {

std::optional<Json> read_optional(const Path& file) {
  if (!fs::exists(file)) return std::nullopt;
  Json value = read_json(file);
  if (!value.is_object()) throw InputError({file.string(), "a JSON object", value.type_name(), ""});
  return value;
}

std::map<std::string, double> number_map(const Json& object, const char* key, const std::string& where) {
  std::map<std::string, double> out;
  if (!object.is_object() || !object.contains(key)) return out;
  const Json& inner = object.at(key);
  if (!inner.is_object())
    throw InputError({where, "\"" + std::string(key) + "\" as an object", inner.type_name(), ""});
  for (const auto& [name, value] : inner.items()) {
    if (value.is_null()) continue;
    if (!value.is_number()) {
      throw InputError(
          {where, "\"" + std::string(key) + "." + name + "\" as a number", value.type_name(), ""});
    }
    out[name] = value.get<double>();
  }
  return out;
}

void read_evaluation(const Path& file, RunFolder& run) {
  const auto value = read_optional(file);
  if (!value) {
    run.missing.push_back(
        "evaluation.json (written by mom eval): losses are those of the last evaluation in training");
    return;
  }
  run.evaluation_step = json_int(*value, "step", file.string());
  if (!value->contains("sets") || !value->at("sets").is_object()) {
    throw InputError({file.string(), "\"sets\" as an object", "none", "run mom eval again"});
  }
  for (const auto& [name, set] : value->at("sets").items()) {
    const std::string where = file.string() + " set \"" + name + "\"";
    EvaluatedSet& found = run.evaluation[name];
    found = {number_map(set, "loss", where), number_map(set, "tokens", where), std::nullopt};
    if (set.contains("loss_overall") && set["loss_overall"].is_number())
      found.overall = set["loss_overall"].get<double>();
  }
}

Path sample_file(const Path& folder, const Json& item, const char* key, const std::string& where) {
  return file_inside(folder, json_string(item, key, where), where + ", \"" + key + "\"");
}

// The step and items of a list of samples; nothing when the file is missing.
std::optional<int64_t> read_items(
    const Path& file, const std::function<void(const Json& item, const std::string& where)>& read) {
  const auto value = read_optional(file);
  if (!value) return std::nullopt;
  const int64_t step = json_int(*value, "step", file.string());
  if (!value->contains("items") || !value->at("items").is_array()) {
    throw InputError({file.string(), "\"items\" as an array", "none", ""});
  }
  int64_t number = 0;
  for (const Json& item : value->at("items")) {
    const std::string where = file.string() + " item " + std::to_string(number++);
    if (!item.is_object()) throw InputError({where, "an object", item.type_name(), ""});
    read(item, where);
  }
  return step;
}

void read_samples(const Path& folder, RunFolder& run) {
  // What is there as arrays alone cannot be shown.
  const auto is_array = [](const Json& item) {
    return item.contains("arrays") && !item.contains("original");
  };
  const auto denoised = read_items(folder / "denoised.json", [&](const Json& item, const std::string& where) {
    if (is_array(item)) return;
    run.denoised.push_back({json_string(item, "caption", where), json_int(item, "timestep", where),
                            sample_file(folder, item, "original", where),
                            sample_file(folder, item, "noised", where),
                            sample_file(folder, item, "denoised", where)});
  });
  const auto predicted =
      read_items(folder / "predicted.json", [&](const Json& item, const std::string& where) {
        if (is_array(item)) return;
        run.predicted.push_back({json_string(item, "modality", where), json_string(item, "caption", where),
                                 sample_file(folder, item, "original", where),
                                 sample_file(folder, item, "predicted", where)});
      });
  run.denoised_step = denoised.value_or(0);
  run.predicted_step = predicted.value_or(0);
  if (!denoised && !predicted) run.missing.push_back("samples/ (written by mom eval): no samples to show");
}

// Files of report/ by name: images, and sounds as pairs NAME-original.wav, NAME-decoded.wav.
CodecReport read_codec(const Path& folder) {
  const Path file = folder / "codec.json";
  const Json json = read_json(file);
  const std::string where = file.string();
  CodecReport report{json_string(json, "modality", where),
                     json_string(json, "kind", where),
                     json_string(json, "hash", where),
                     json.value("report", Json::object()),
                     {},
                     {}};
  std::vector<Path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder / "report", ignored)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  constexpr std::string_view kOriginal = "-original.wav";
  for (const Path& path : files) {
    const std::string name = path.filename().string();
    if (name.ends_with(".png")) report.images.push_back(path);
    if (!name.ends_with(kOriginal)) continue;
    const Path decoded =
        path.parent_path() / (name.substr(0, name.size() - kOriginal.size()) + "-decoded.wav");
    if (fs::exists(decoded)) report.sounds.emplace_back(path, decoded);
  }
  return report;
}

void read_codecs(const Path& folder, RunFolder& run) {
  std::vector<Path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (fs::exists(entry.path() / "codec.json")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  for (const Path& path : found) run.codecs.push_back(read_codec(path));
}

bool is_run(const Path& path) {
  return fs::exists(path / "recipe.toml") && fs::exists(path / "metrics.jsonl");
}

// What lies below these keys; null where there is nothing.
const Json* part_of(const std::optional<Json>& object, std::initializer_list<const char*> keys) {
  const Json* part = object ? &*object : nullptr;
  for (const char* key : keys) {
    if (!part || !part->is_object() || !part->contains(key)) return nullptr;
    part = &part->at(key);
  }
  return part;
}

}  // namespace

std::string RunFolder::recipe_value(const std::string& key, const std::string& otherwise) const {
  const auto found = recipe.find(key);
  return found == recipe.end() ? otherwise : found->second;
}

double RunFolder::recipe_number(const std::string& key, double otherwise) const {
  const std::string text = recipe_value(key);
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return text.empty() || *end != '\0' || !std::isfinite(value) ? otherwise : value;
}

std::string RunFolder::data_identity() const {
  const Json* found = part_of(environment, {"data", "manifest"});
  if (!found) return "";
  Json manifest = *found;
  if (manifest.is_object()) manifest.erase("titles");  // words about the same data
  return sha256_hex(manifest.dump(-1, ' ', true, Json::error_handler_t::replace)).substr(0, 16);
}

Json RunFolder::modality_table() const {
  const Json* found = part_of(environment, {"data", "manifest", "modality_table"});
  return found ? *found : Json();
}

bool RunFolder::may_validate() const {
  const Json* shards = part_of(environment, {"data", "manifest", "shards"});
  return !shards || !shards->is_array() || std::any_of(shards->begin(), shards->end(), [](const Json& shard) {
    return shard.is_object() && shard.value("split", Json()) == "validation";
  });
}

std::vector<std::string> RunFolder::forced_changes() const {
  std::vector<std::string> texts;
  const Json* changes = part_of(environment, {"changes"});
  const auto text = [](const Json& change, const char* key) {
    const Json value = change.value(key, Json());
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  for (const Json& change : changes && changes->is_array() ? *changes : Json::array())
    if (change.is_object() && change.value("forced", Json()) == true)
      texts.push_back(text(change, "key") + " from step " + text(change, "step") +
                      " on: " + text(change, "after") + ", before " + text(change, "before"));
  return texts;
}

std::string set_text(const SetTitles& titles, const std::string& set) {
  const auto found = titles.find(set);
  return found == titles.end() ? set : found->second + " (" + set + ")";
}

int64_t RunFolder::final_step() const {
  int64_t step = train.empty() ? 0 : train.back().step;
  for (const auto& [set, points] : evals) step = std::max(step, points.back().step);
  return step;
}

namespace {

SetTitles read_set_titles(const std::optional<Json>& environment, const std::string& where) {
  SetTitles titles;
  const Json* given = part_of(environment, {"data", "manifest", "titles"});
  if (!given || given->is_null()) return titles;
  if (!given->is_object())
    throw InputError({where + ": data.manifest.titles", "an object", given->type_name(), ""});
  for (const auto& [set, title] : given->items()) titles[set] = json_string(*given, set.c_str(), where);
  return titles;
}

// What older runs did without saying so.
constexpr std::pair<const char*, const char*> kBeforeTheyWereKeys[] = {
    {"model.image_scan", "raster"},
    {"model.patch_net", "linear"},
    {"model.patch_net_channels", "0"},
    {"model.patch_positions", "false"},
    {"model.adaptive_norm", "false"},
    {"objective.image_first_max_timestep", "0"},
    {"objective.prediction", "noise"},
    {"objective.loss_weighting", "uniform"},
    {"train.ema_decay", "0.0"},
    {"train.schedule", "cosine"},
    {"train.decay_steps", "0"},
    {"train.start_from_differing", "[]"},
    {"model.route", "modality"},
    {"model.patch_sizes", "{}"},
    {"model.patch_nets", "{}"},
    {"model.key_value_heads", "0"},
    {"objective.schedules", "{}"},
    {"objective.predictions", "{}"},
    {"train.freeze", "[]"},
    {"train.learning_rate_factors", "{}"},
};

}  // namespace

RunFolder read_run_folder(const Path& path) {
  RunFolder run;
  run.path = path;
  const Path normal = path.lexically_normal();
  run.name = normal.has_filename() ? normal.filename().string() : normal.parent_path().filename().string();
  if (!is_run(path)) {
    throw InputError({path.string(), "a run folder with recipe.toml and metrics.jsonl",
                      fs::exists(path) ? "a folder without them" : "nothing",
                      "give the folder mom train --run wrote"});
  }
  run.recipe_text = read_file(path / "recipe.toml", uint64_t{1} << 20);
  run.recipe = flatten_toml(run.recipe_text, (path / "recipe.toml").string());
  for (const auto& [key, value] : kBeforeTheyWereKeys) run.recipe.try_emplace(key, value);
  Metrics metrics = read_metrics(path / "metrics.jsonl");
  run.train = std::move(metrics.train);
  run.evals = std::move(metrics.evals);
  if (metrics.torn_last_line) run.missing.push_back("the last line of metrics.jsonl: it is not complete");
  if (run.evals.empty()) run.missing.push_back("eval lines in metrics.jsonl: no held-out curves");
  run.environment = read_optional(path / "environment.json");
  if (!run.environment) run.missing.push_back("environment.json: machine and versions are not known");
  run.set_titles = read_set_titles(run.environment, (path / "environment.json").string());
  run.parameters = read_optional(path / "parameters.json");
  if (!run.parameters) run.missing.push_back("parameters.json: parameters and FLOPs per token are not known");
  read_evaluation(path / "evaluation.json", run);
  read_samples(path / "samples", run);
  run.generation = read_generation_quality(path);
  read_codecs(path / "codecs", run);
  return run;
}

std::vector<Path> find_runs(const Path& path) {
  if (is_run(path)) return {path};
  std::vector<Path> found;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.is_directory() && is_run(entry.path())) found.push_back(entry.path());
    }
  }
  if (found.empty()) {
    throw InputError({path.string(), "a run folder, or a folder of run folders (recipe.toml, metrics.jsonl)",
                      fs::exists(path) ? "none inside" : "nothing there",
                      "train with mom train --run " + path.string()});
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace mom::runs
