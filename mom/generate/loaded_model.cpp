#include "mom/generate/loaded_model.h"

#include "mom/ops/backend.h"
#include "mom/ops/device.h"
#include "mom/train/checkpoint.h"
#include "mom/train/recipe.h"

namespace mom::generate {
namespace {

// Where the codecs are: a run's lie with its data. It also says which ops it was trained with.
Path codecs_folder(const Path& run, const Path& codecs) {
  const Path recipe_file = run / "recipe.toml";
  if (!std::filesystem::exists(recipe_file)) return codecs;
  const train::Recipe recipe = train::load_recipe(recipe_file, {});
  ops::set_backend(ops::parse_backend(recipe.model.scan_backend));
  return codecs.empty() ? Path(recipe.data.path) / "codecs" : codecs;
}

}  // namespace

LoadedModel::LoadedModel(const Path& run, const Path& codecs, bool last_weights, const std::string& device)
    : folder_(train::find_model_folder(run)),
      model_(models::load_model(folder_,
                                last_weights ? models::WeightsOf::kLastStep : models::WeightsOf::kModel,
                                ops::use_device(device))),
      codecs_(model_->spec(), codecs_folder(run, codecs), folder_) {}

Network LoadedModel::network(const std::optional<std::string>& weights) const {
  return {model_, weights.value_or(MambaDecoder::supports(*model_) ? spec().weight_type : "float32")};
}

}  // namespace mom::generate
