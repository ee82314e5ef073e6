#include "mom/eval/inspect.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/models/backbones.h"
#include "mom/models/counts.h"
#include "mom/train/checkpoint.h"
#include "mom/train/recipe.h"

namespace mom::eval {
namespace {

constexpr int64_t kPapersSequence = 4096;

OrderedJson inspect_recipe(const train::Recipe& recipe, int64_t sequence_tokens) {
  const bool has_data = !recipe.data.path.empty() && std::filesystem::exists(recipe.data.path);
  // Without the data its vocabulary is not known: the papers' stands in, and the output says so.
  OrderedJson json =
      models::inspect_json(has_data ? train::make_spec(recipe, data::open_encoded(recipe.data.path))
                                    : train::make_spec(recipe.model, *modality::find_preset(recipe.setting)),
                           sequence_tokens ? sequence_tokens : recipe.data.sequence_tokens);
  json["vocabulary_from"] = has_data ? recipe.data.path : "the papers (no data at data.path)";
  return json;
}

// One object of all backbones. `inspect` gives that of one.
template <class Inspect>
OrderedJson side_by_side(const Inspect& inspect) {
  OrderedJson json;
  json["backbones"] = OrderedJson::array();
  for (const std::string& name : models::backbone_names()) json["backbones"].push_back(inspect(name));
  json["sequence_tokens"] = json["backbones"][0]["sequence_tokens"];
  return json;
}

}  // namespace

OrderedJson inspect_path(const Path& path, int64_t sequence_tokens) {
  if (!std::filesystem::exists(path))
    throw InputError({path.string(), "a recipe, a run or a model folder", "nothing there", ""});
  if (path.extension() == ".toml") return inspect_recipe(train::load_recipe(path, {}), sequence_tokens);
  const Path config = train::find_model_folder(path) / "config.json";
  return models::inspect_json(models::spec_from_json(read_json(config), config.string()),
                              sequence_tokens ? sequence_tokens : kPapersSequence);
}

OrderedJson inspect_size(const std::string& size, const std::string& backbone, const std::string& setting,
                         int64_t sequence_tokens) {
  models::find_backbone(backbone);
  const modality::Preset* preset = modality::find_preset(setting);
  if (!preset) {
    std::string known;
    for (const std::string& name : modality::preset_names()) known += (known.empty() ? "" : ", ") + name;
    throw UserError({"--setting", "one of " + known, setting, ""});
  }
  models::ModelSpec model;
  model.backbone = backbone;
  model.size = size;
  models::apply_named_size(model, false, false);
  return models::inspect_json(train::make_spec(model, *preset),
                              sequence_tokens ? sequence_tokens : kPapersSequence);
}

OrderedJson compare_size(const std::string& size, const std::string& setting, int64_t sequence_tokens) {
  OrderedJson json = side_by_side(
      [&](const std::string& backbone) { return inspect_size(size, backbone, setting, sequence_tokens); });
  json["size"] = size;
  json["setting"] = setting;
  return json;
}

OrderedJson compare_recipe(const Path& path, int64_t sequence_tokens) {
  OrderedJson json = side_by_side([&](const std::string& backbone) {
    return inspect_recipe(train::load_recipe(path, {"model.backbone=\"" + backbone + "\""}), sequence_tokens);
  });
  json["recipe"] = path.string();
  return json;
}

}  // namespace mom::eval
