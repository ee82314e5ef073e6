#include "mom/models/convert.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/models/grow.h"
#include "mom/nn/scan_order.h"

namespace mom::models {
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
  Model mixture(spec);
  grow(*mixture, dense, {}, /*seed=*/0, "convert dense-to-mom");
  return mixture;
}

ModelSpec with_modality(const ModelSpec& from, modality::Modality like, int64_t num_ids) {
  ModelSpec spec = from;
  if (from.modality_index(like.name) >= 0)
    throw UserError({"--modality", "one that the model does not have", like.name, ""});
  spec.modalities.push_back(like.name);
  if (from.vocabulary.empty()) return spec;
  spec.vocabulary.add(std::move(like), num_ids);
  spec.vocab_size = spec.vocabulary.size();
  spec.setting.clear();
  return spec;
}

std::vector<std::string> keys_that_may_differ() { return {nn::kScanKey, "prediction", "diffusion_steps"}; }

namespace {

// Keys of config.json that say what the modalities are; grow() checks them.
bool is_about_modalities(const std::string& key) {
  static const std::set<std::string> keys = {"vocab_size", "modalities",     "vocabulary",
                                             "setting",    "modality_table", "codec_hashes"};
  return keys.contains(key);
}

// Keys that say how items of latents pass the network, which a model without latents knows nothing of.
bool is_about_latents(const std::string& key) {
  static const std::set<std::string> keys = {"latent_shape",       "patch_size",      "patch_net",
                                             "patch_net_channels", "patch_positions", "diffusion_steps",
                                             "adaptive_norm",      "prediction",      nn::kScanKey};
  return keys.contains(key);
}

}  // namespace

void start_from(ModelImpl& model, const Path& folder, const std::vector<std::string>& differing,
                uint64_t seed, const Path& text_codec) {
  const Path config = folder / "config.json";
  const ModelSpec spec = spec_from_json(read_json(config), config.string());
  const OrderedJson found = to_json(spec), wanted = to_json(model.spec());
  const std::vector<std::string> may_differ = keys_that_may_differ();
  for (const auto& [key, value] : wanted.items()) {
    if (is_about_modalities(key) || (found.contains(key) && found[key] == value)) continue;
    if (is_about_latents(key) && !spec.latents() && model.spec().latents()) continue;
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
  const bool is_plain = spec.vocabulary.empty() && !model.spec().vocabulary.empty();
  const TextIds text = is_plain ? text_ids_for(folder, text_codec) : TextIds();
  check_grows(spec, model.spec(), text, config.string());
  if (spec.modalities == model.spec().modalities &&
      spec.vocabulary.to_json() == model.spec().vocabulary.to_json())
    return load_weights(model, folder);
  grow(model, *load_model(folder), text, seed, config.string());
}

}  // namespace mom::models
