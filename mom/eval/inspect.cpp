#include "mom/eval/inspect.h"

#include "mom/base/error.h"
#include "mom/models/counts.h"
#include "mom/train/checkpoint.h"
#include "mom/train/recipe.h"

namespace mom::eval {

OrderedJson inspect_path(const Path& path) {
  if (!std::filesystem::exists(path))
    throw InputError({path.string(), "a recipe, a run or a model folder", "nothing there", ""});
  if (path.extension() == ".toml") {
    const train::Recipe recipe = train::load_recipe(path, {});
    const bool has_data = !recipe.data.path.empty() && std::filesystem::exists(recipe.data.path);
    // Without the data its vocabulary is not known: the papers' stands in, and the output says so.
    OrderedJson json =
        models::inspect_json(has_data ? train::make_spec(recipe, data::open_encoded(recipe.data.path))
                                      : train::make_spec(recipe.model, recipe.setting));
    json["vocabulary_from"] = has_data ? recipe.data.path : "the papers (no data at data.path)";
    return json;
  }
  const Path config = train::find_model_folder(path) / "config.json";
  return models::inspect_json(models::spec_from_json(read_json(config), config.string()));
}

OrderedJson inspect_size(const std::string& size, const std::string& backbone, const std::string& setting) {
  models::ModelConfig model;
  config::Schema schema;
  model.describe(schema.table("model", ""));
  config::apply_override(schema, "model.backbone=\"" + backbone + "\"");
  if (setting != "transfusion" && setting != "chameleon" && setting != "three_modality")
    throw UserError({"--setting", "transfusion, chameleon or three_modality", setting, ""});
  model.size = size;
  models::apply_named_size(model, false, false);
  if (backbone == "mamba") model.decoupled.clear();
  return models::inspect_json(train::make_spec(model, setting));
}

}  // namespace mom::eval
