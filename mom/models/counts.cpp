#include "mom/models/counts.h"

#include <algorithm>

#include "mom/models/backbones.h"
#include "mom/models/model.h"
#include "mom/nn/parameter.h"

namespace mom::models {
namespace {

Model on_meta_device(const ModelSpec& spec) {
  nn::OnDevice meta(at::kMeta);
  return Model(spec);
}

}  // namespace

ParameterCounts count_parameters(const ModelSpec& spec) {
  ParameterCounts counts;
  std::vector<double> active(spec.modalities.size(), 0);
  Model model = on_meta_device(spec);
  for (const nn::Parameter& parameter : nn::parameters_of(*model)) {
    const nn::ParameterTraits& traits = parameter.traits;
    const int64_t count = parameter.tensor.numel();
    counts.total += count;
    if (traits.factor) counts.factors += count;
    if (traits.part == nn::Part::kTokenTable) counts.embedding += count;
    for (size_t m = 0; m < active.size(); ++m) {
      const auto index = static_cast<int64_t>(m);
      const nn::Part other = spec.is_continuous(index) ? nn::Part::kTokenTable : nn::Part::kLatentAdapter;
      if ((traits.modality < 0 || traits.modality == index) && traits.part != other)
        active[m] += static_cast<double>(count) * traits.share;
    }
  }
  for (const nn::Block& block : model->blocks()) {
    int64_t count = 0;
    for (const nn::Parameter& parameter : nn::parameters_of(*block))
      if (parameter.traits.decay) count += parameter.tensor.numel();
    counts.in_blocks += count;
    counts.largest_block = std::max(counts.largest_block, count);
  }
  for (const double count : active) counts.active.push_back(static_cast<int64_t>(count + 0.5));
  return counts;
}

nn::MixerCosts block_costs(const ModelSpec& spec) {
  nn::MixerCosts sum;
  Model model = on_meta_device(spec);
  for (const nn::Block& block : model->blocks()) {
    const nn::MixerCosts costs = block->costs();
    sum.gemm += costs.gemm, sum.conv += costs.conv, sum.scan += costs.scan, sum.router += costs.router;
    sum.pair += costs.pair, sum.gemm_per_item += costs.gemm_per_item;
    sum.state_bytes += costs.state_bytes, sum.state_bytes_per_token += costs.state_bytes_per_token;
    sum.kept += costs.kept, sum.kept_f32 += costs.kept_f32;
    sum.passing = std::max(sum.passing, costs.passing);
    sum.passing_f32 = std::max(sum.passing_f32, costs.passing_f32);
  }
  return sum;
}

nn::UNetCosts unet_costs(const ModelSpec& spec, size_t latents) {
  if (!spec.has_conv_patches(*spec.vocabulary.continuous()[latents])) return {};
  return on_meta_device(spec)->unet(latents)->costs();
}

std::vector<TokenFlops> flops_per_token(const ModelSpec& s) {
  const nn::MixerCosts blocks = block_costs(s);
  std::vector<TokenFlops> flops;
  size_t number = 0;  // of the modality of latents that comes next
  for (int64_t m = 0; m < static_cast<int64_t>(s.modalities.size()); ++m) {
    TokenFlops token{blocks.gemm, blocks.conv, blocks.scan, blocks.router, blocks.pair};
    const double hidden = static_cast<double>(s.d_model);
    if (s.is_continuous(m)) {
      const modality::Modality& latents = s.vocabulary.modalities()[static_cast<size_t>(m)];
      const nn::UNetCosts unet = unet_costs(s, number++);
      const auto patches = static_cast<double>(latents.positions_per_item());
      const int64_t features = s.has_conv_patches(latents) ? unet.patch_features : latents.patch_width();
      token.gemm += 4.0 * hidden * static_cast<double>(features);
      // The timestep's small network, adaptive norms and a U-Net run once per item.
      token.gemm +=
          (2.0 * hidden * (hidden + kTimestepFeatures) + blocks.gemm_per_item + unet.gemm) / patches;
      if (s.tells_convolutions(latents)) token.gemm += 2.0 * hidden * hidden / patches;  // before_out
      token.conv += unet.conv / patches;
    } else {
      token.gemm += 2.0 * hidden * static_cast<double>(s.vocab_size);
    }
    flops.push_back(token);
  }
  return flops;
}

double attended_pairs(const ModelSpec& spec, const nn::Routing& routing) {
  if (!spec.has_mixer("attention")) return 0;
  return ops::make_attention_plan(routing.order_T, routing.offsets_S1, {}, latent_rows(spec, routing))
      ->num_pairs();
}

int64_t state_bytes(const ModelSpec& spec, int64_t num_tokens) {
  const nn::MixerCosts blocks = block_costs(spec);
  const int64_t hidden = spec.tells_convolutions() ? 4 * spec.d_model : 0;
  return blocks.state_bytes + hidden + blocks.state_bytes_per_token * num_tokens;
}

OrderedJson inspect_json(const ModelSpec& spec, int64_t sequence_tokens) {
  const ParameterCounts counts = count_parameters(spec);
  const std::vector<TokenFlops> flops = flops_per_token(spec);
  OrderedJson json;
  json["backbone"] = spec.backbone;
  json["setting"] = spec.setting;
  json["d_model"] = spec.d_model;
  json["blocks"] = spec.num_blocks;
  json["vocabulary"] = spec.vocab_size;
  json["decoupled"] = spec.decoupled;
  if (find_backbone(spec.backbone).recipe_chooses) json["route"] = spec.route;
  json["parameters"]["total"] = counts.total;
  json["parameters"]["embedding"] = counts.embedding;
  // A token looks at half of its sequence in the mean.
  const double mean_pairs = static_cast<double>(sequence_tokens + 1) / 2;
  for (size_t m = 0; m < spec.modalities.size(); ++m) {
    const TokenFlops& f = flops[m];
    json["parameters"]["active"][spec.modalities[m]] = counts.active[m];
    json["flops_per_token"][spec.modalities[m]] = f.total() + f.pair * mean_pairs;
    json["flops_per_token_by_term"][spec.modalities[m]] = {{"gemm", f.gemm},
                                                           {"conv", f.conv},
                                                           {"scan", f.scan},
                                                           {"attention", f.pair * mean_pairs},
                                                           {"router", f.router}};
  }
  json["sequence_tokens"] = sequence_tokens;
  json["state_bytes"] = state_bytes(spec, sequence_tokens);
  return json;
}

}  // namespace mom::models
