#include "mom/models/convert.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/nn/scan_order.h"

namespace mom::models {
namespace {

// The dense parameter that a parameter of the mixture is a copy of: its name without its modality.
std::string dense_name(const nn::Parameter& parameter, const std::vector<std::string>& modalities) {
  if (parameter.traits.modality < 0) return parameter.name;
  const std::string part = "." + modalities[static_cast<size_t>(parameter.traits.modality)] + ".";
  const size_t at = parameter.name.rfind(part);
  return parameter.name.substr(0, at) + parameter.name.substr(at + part.size() - 1);
}

}  // namespace

Model dense_to_mixture(ModelImpl& dense, std::vector<std::string> decoupled) {
  if (dense.spec().backbone != "mamba")
    throw UserError({"convert dense-to-mom", "a model of backbone mamba", dense.spec().backbone, ""});
  if (dense.spec().modalities.size() < 2)
    throw UserError({"convert dense-to-mom", "a model of two or more modalities",
                     std::to_string(dense.spec().modalities.size()),
                     "name the modalities to be with --modalities text,image"});
  ModelSpec spec = dense.spec();
  spec.backbone = "mixture_of_mamba";
  spec.decoupled = decoupled.empty() ? all_projections() : std::move(decoupled);
  for (const std::string& name : spec.decoupled)
    if (!std::count(all_projections().begin(), all_projections().end(), name))
      throw UserError({"--decoupled", "in_proj, x_proj, dt_proj, out_proj", name, ""});
  torch::NoGradGuard no_grad;
  Model mixture(spec);
  auto source = dense.named_parameters();
  for (nn::Parameter& parameter : nn::parameters_of(*mixture))
    parameter.tensor.copy_(source[dense_name(parameter, spec.modalities)]);
  return mixture;
}

std::vector<std::string> keys_that_may_differ() { return {nn::kScanKey, "prediction", "diffusion_steps"}; }

void start_from(ModelImpl& model, const Path& folder, const std::vector<std::string>& differing) {
  const Path config = folder / "config.json";
  const OrderedJson found = to_json(spec_from_json(read_json(config), config.string())),
                    wanted = to_json(model.spec());
  // What modality_table says of shapes stands in other keys too, and older folders have none.
  const std::vector<std::string> may_differ = keys_that_may_differ();
  for (const auto& [key, value] : wanted.items()) {
    if (key == "modality_table" || (found.contains(key) && found[key] == value)) continue;
    if (std::count(differing.begin(), differing.end(), key)) continue;
    const bool can_be_wanted = std::count(may_differ.begin(), may_differ.end(), key) > 0;
    throw UserError({config.string() + ": \"" + key + "\"", value.dump() + ", as the recipe says",
                     found.contains(key) ? found[key].dump() : "nothing",
                     can_be_wanted
                         ? "change the recipe, or start from it all the same with train.start_from_differing "
                           "= [\"" +
                               key + "\"]"
                         : "start from a model of the same shape, or change the recipe"});
  }
  load_weights(model, folder);
}

}  // namespace mom::models
