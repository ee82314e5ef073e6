#include "mom/train/resume.h"

#include <map>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/config/schema.h"

namespace mom::train {
namespace {

enum class Effect { kNone, kForced, kOther };

Effect effect_of(const std::string& table, const std::string& key, const std::string& before,
                 const std::string& after) {
  const std::string reference = "\"reference\"";
  if (table == "eval" || table == "checkpoint" || key == "data.path" || key == "train.recompute" ||
      key == "train.device" || key == "train.shard" || key == "train.sequence_ranks" ||
      key == "train.on_divergence" || key == "train.max_rollbacks")
    return Effect::kNone;
  if (key == "model.scan_backend")
    return before == reference || after == reference ? Effect::kOther : Effect::kNone;
  return table == "train" && !key.starts_with("train.start_from") ? Effect::kForced : Effect::kOther;
}

// With wsd, what comes later does not say what the steps before the decay are.
bool is_of_decay(const std::string& key, const TrainConfig& then, const TrainConfig& now) {
  return (key == "train.steps" || key == "train.decay_steps" || key == "train.min_learning_rate") &&
         then.schedule == "wsd" && now.schedule == "wsd";
}
bool concerns_later_steps(const std::string& key, const TrainConfig& then, const TrainConfig& now,
                          int64_t step) {
  return is_of_decay(key, then, now) && step <= std::min(stable_until(then), stable_until(now));
}

// `decay_after`: a decay that begins later would be taken; negative: that makes no difference.
[[noreturn]] void refuse(const RecipeChange& change, const Path& stored, bool can_be_forced,
                         int64_t decay_after) {
  const std::string decay =
      decay_after < 0 ? "" : ", with a decay that begins after step " + std::to_string(decay_after) + ",";
  throw UserError({change.key, change.before + ", as " + stored.string() + " says", change.after,
                   can_be_forced ? "resume with the same recipe" + decay +
                                       " or with --force: the rest is trained with the new value, and the "
                                       "result is not that of either recipe alone"
                                 : "resume with the same recipe or train into another folder"});
}

// What the run recorded of its data, in a file that may be missing, older or edited.
struct RecordedData {
  std::string path, sha256;
  std::map<std::string, std::string> codec_hashes;
};

RecordedData read_recorded(const Path& environment) {
  const auto part = [](const Json& of, const char* key) {
    return of.is_object() && of.contains(key) ? of[key] : Json();
  };
  const auto text = [](const Json& json) {
    return json.is_string() ? json.get<std::string>() : std::string();
  };
  const Json data = part(std::filesystem::exists(environment) ? read_json(environment) : Json(), "data");
  RecordedData recorded{text(part(data, "path")), text(part(data, "sha256")), {}};
  const Json codecs = part(part(data, "manifest"), "codecs");
  for (const auto& [modality, codec] : codecs.items())
    recorded.codec_hashes[modality] = text(part(codec, "hash"));
  return recorded;
}

bool same_folder(const Path& a, const Path& b) {
  std::error_code error;
  return std::filesystem::weakly_canonical(a, error) == std::filesystem::weakly_canonical(b, error);
}

}  // namespace

std::vector<RecipeChange> changes_on_resume(Recipe now, const Path& stored, int64_t step, bool force) {
  Recipe then;
  config::Schema then_schema = then.schema(), now_schema = now.schema();
  config::load_toml(then_schema, stored);
  std::vector<RecipeChange> changes;
  for (size_t t = 0; t < now_schema.tables().size(); ++t) {
    const config::Table& table = now_schema.tables()[t];
    for (size_t f = 0; f < table.fields().size(); ++f) {
      const std::string name = table.fields()[f].name();
      RecipeChange change{table.name().empty() ? name : table.name() + "." + name,
                          then_schema.tables()[t].fields()[f].value_toml(), table.fields()[f].value_toml()};
      if (change.before == change.after) continue;
      const Effect effect = concerns_later_steps(change.key, then.train, now.train, step)
                                ? Effect::kNone
                                : effect_of(table.name(), change.key, change.before, change.after);
      change.forced = effect == Effect::kForced;
      if (effect == Effect::kOther || (change.forced && !force)) {
        const bool decays_already = stable_until(then.train) < step;
        refuse(change, stored, change.forced,
               is_of_decay(change.key, then.train, now.train) && !decays_already ? step : -1);
      }
      changes.push_back(change);
    }
  }
  return changes;
}

OrderedJson describe_data(const Recipe& recipe, const data::EncodedDataset& dataset) {
  return {
      {"path", recipe.data.path}, {"sha256", data::content_sha256(dataset)}, {"manifest", dataset.manifest}};
}

void check_same_data(const Path& run, const data::EncodedDataset& dataset, const OrderedJson& data) {
  const auto path = data["path"].get<std::string>(), found = data["sha256"].get<std::string>();
  const RecordedData then = read_recorded(run / "environment.json");
  if (then.sha256.empty()) {  // a run of an older version: its data are known by their path alone
    if (then.path.empty() || same_folder(then.path, path)) return;
    throw InputError({path, "the data at " + then.path + ", which the run began with",
                      "another folder; the run is of a version that recorded no hash of its data",
                      "resume with the data in their old place"});
  }
  models::ModelSpec spec;
  spec.codec_hashes = then.codec_hashes;
  models::check_same_codecs(spec, dataset.codec_hashes, path);
  if (found != then.sha256)
    throw InputError(
        {path,
         "the data that the run began with at " + then.path + " (SHA-256 " + then.sha256.substr(0, 12) + ")",
         "others (" + found.substr(0, 12) + ")", "resume with those data or train into another folder"});
}

void record_changes(const Path& run, Recipe now, const OrderedJson& data,
                    const std::vector<RecipeChange>& changes, int64_t step) {
  if (changes.empty()) return;
  const Path file = run / "environment.json";
  OrderedJson environment = OrderedJson::object();
  if (std::filesystem::exists(file)) environment = parse_ordered_json(read_file(file), file.string());
  if (!environment["changes"].is_array()) environment["changes"] = OrderedJson::array();
  for (const RecipeChange& change : changes) {
    log_info(run.string() + ": " + change.key + " is " + change.after + " from step " + std::to_string(step) +
             " on, " + change.before + " before");
    environment["changes"].push_back({{"step", step},
                                      {"key", change.key},
                                      {"before", change.before},
                                      {"after", change.after},
                                      {"forced", change.forced}});
  }
  environment["data"] = data;
  publish_json(file, environment);
  publish_file(run / "recipe.toml", dump_recipe(now));
}

}  // namespace mom::train
