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
  static const std::set<std::string> keys = {"latent_shape",    "patch_size",    "patch_net_channels",
                                             "patch_positions", "adaptive_norm", nn::kScanKey};
  return keys.contains(key);
}

// Keys that are of all modalities of latents or of one by its name: what they come to is compared.
bool may_be_by_name(const std::string& key) {
  static const std::set<std::string> keys = {"patch_net", "patch_nets",  "diffusion_steps",
                                             "schedules", "predictions", "prediction"};
  return keys.contains(key);
}
OrderedJson of_latents(const ModelSpec& spec, const modality::Modality& latents) {
  return {{"patch_net", spec.patch_net_of(latents)},
          {"diffusion_steps", spec.diffusion_steps_of(latents)},
          {"prediction", to_string(spec.prediction_of(latents))}};
}

// UserError unless `found` is `wanted` or may differ. `of`: the modality, where it is of one.
void check_key(const std::string& config, const std::string& key, const std::string& of,
               const OrderedJson& wanted, const OrderedJson& found,
               const std::vector<std::string>& differing) {
  if (found == wanted || std::count(differing.begin(), differing.end(), key)) return;
  const std::vector<std::string> may_differ = keys_that_may_differ();
  const bool can_be_wanted = std::count(may_differ.begin(), may_differ.end(), key) > 0;
  throw UserError({config + ": \"" + key + "\"" + of, wanted.dump() + ", as the recipe says",
                   found.is_null() ? "nothing" : found.dump(),
                   can_be_wanted
                       ? "change the recipe, or start from it all the same with train.start_from_differing = "
                         "[\"" +
                             key + "\"]"
                       : "start from a model of the same shape, or change the recipe"});
}

}  // namespace

void start_from(ModelImpl& model, const Path& folder, const std::vector<std::string>& differing,
                uint64_t seed, const Path& text_codec) {
  const Path config = folder / "config.json";
  const ModelSpec spec = spec_from_json(read_json(config), config.string());
  const OrderedJson found = to_json(spec), wanted = to_json(model.spec());
  for (const modality::Modality* latents : spec.vocabulary.continuous()) {
    if (!model.spec().vocabulary.has_latents(latents->name)) continue;  // check_grows says so
    const OrderedJson there = of_latents(spec, *latents), here = of_latents(model.spec(), *latents);
    for (const auto& [key, value] : here.items())
      check_key(config.string(), key, " of " + latents->name, value, there[key], differing);
  }
  for (const auto& [key, value] : wanted.items()) {
    if (is_about_modalities(key) || may_be_by_name(key)) continue;
    if (is_about_latents(key) && !spec.latents() && model.spec().latents()) continue;
    check_key(config.string(), key, "", value, found.value(key, OrderedJson()), differing);
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
