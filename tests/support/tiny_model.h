// A small model of text and latents, and random packed input, for tests of the model's properties.
#pragma once

#include <torch/types.h>
#include <torch/utils.h>

#include "mom/config/schema.h"
#include "mom/data/batch.h"
#include "mom/models/backbones.h"
#include "mom/models/model.h"
#include "mom/nn/scan_order.h"
#include "tests/support/vocabularies.h"

namespace mom::test {

// A key of [model], in every mixer that reads it.
inline void set(models::ModelSpec& spec, const std::string& key, const Json& value) {
  config::Table table("", "");
  spec.describe(table);
  for (config::Field& field : table.fields())
    if (field.name() == key) return field.assign(value, "test");
  throw std::logic_error("no key " + key);
}

inline models::ModelSpec tiny_spec(std::vector<std::string> decoupled,
                                   const std::string& scan = nn::kRasterScan) {
  models::ModelSpec spec;
  spec.backbone = decoupled.empty() ? "mamba" : "mixture_of_mamba";
  spec.d_model = 24;
  spec.num_blocks = 3;
  set(spec, "state_size", 5);
  set(spec, "time_step_rank", 3);
  set(spec, nn::kScanKey, scan);
  spec.decoupled = std::move(decoupled);
  spec.vocabulary = with_latents(50);
  spec.vocab_size = spec.vocabulary.size();
  spec.modalities = spec.vocabulary.names();
  return spec.resolved();
}

// A backbone, how it scans images, how patches get into it and out, whether its norms are adaptive, and what chooses a
// token's weights.
struct Variant {
  std::string backbone, scan = nn::kRasterScan, patch_net = models::kLinearPatches;
  bool adaptive_norm = false;
  std::string route = models::kRouteByModality;
  std::string name() const {
    return backbone + (scan == nn::kRasterScan ? "" : "_" + scan) +
           (patch_net == models::kLinearPatches ? "" : "_" + patch_net) + (adaptive_norm ? "_adaptive" : "") +
           (route == models::kRouteByModality ? "" : "_" + route);
  }
  friend void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name(); }
};

// Every backbone with every pattern of scans that it can have, and with a U-Net and the last of them; where weights
// need not be chosen by modality, at random as well.
inline std::vector<Variant> all_variants() {
  std::vector<Variant> variants;
  for (const std::string& backbone : models::backbone_names()) {
    for (const std::string& scan : nn::scan_patterns()) {
      models::ModelSpec spec;
      spec.backbone = backbone;
      set(spec, nn::kScanKey, scan);
      if (models::unused_keys(spec).empty()) variants.push_back({backbone, scan});
    }
    const std::string scan = variants.back().scan;
    variants.push_back({backbone, scan, models::kUNetPatches});
    variants.push_back({backbone, scan, models::kConvPatches, true});
    if (!models::find_backbone(backbone).recipe_chooses) continue;
    variants.push_back({backbone, nn::kRasterScan, models::kLinearPatches, false, models::kRandomRoute});
    variants.push_back({backbone, scan, models::kConvPatches, true, models::kRandomRoute});
  }
  return variants;
}

// What a variant says beside its backbone. Positions come with the U-Net.
inline void set_variant(models::ModelSpec& spec, const Variant& variant) {
  set(spec, nn::kScanKey, variant.scan);
  spec.patch_net = variant.patch_net;
  spec.patch_net_channels = 8;
  spec.patch_positions = variant.patch_net != models::kLinearPatches;
  spec.adaptive_norm = variant.adaptive_norm;
  spec.route = variant.route;
}

// Of any backbone.
inline models::ModelSpec tiny_backbone(const Variant& variant) {
  models::ModelSpec spec = tiny_spec({});
  set_variant(spec, variant);
  spec.backbone = variant.backbone;
  spec.decoupled = models::find_backbone(variant.backbone).decoupled;
  spec.num_blocks = 4;
  set(spec, "state_size", 6);
  set(spec, "heads", 2);
  set(spec, "feed_forward", 40);
  set(spec, "experts", 3);
  return spec.resolved();
}

inline models::ModelSpec tiny_backbone(const std::string& name) { return tiny_backbone(Variant{name}); }

inline models::Model initialised(const models::ModelSpec& spec, uint64_t seed = 1) {
  models::Model model(spec);
  models::initialise(*model, seed);
  torch::NoGradGuard no_grad;
  torch::manual_seed(static_cast<int64_t>(seed));
  // Off the initial zeros, so that the noise head, positions and adaptive norms say something; a U-Net's so little that
  // a picture of six steps does not blow up rounding.
  for (auto& item : model->named_parameters()) {
    for (const auto& [name, deviation] : {std::pair{"patch_out", 0.3},
                                          {"patch_net.conv_out", 0.05},
                                          {"patch_rows", 0.3},
                                          {"patch_columns", 0.3}})
      if (item.key().rfind(name, 0) == 0) item.value().normal_(0, deviation);
    if (item.key().find(".condition.") != std::string::npos) item.value().normal_(0, 0.3);
  }
  return model;
}

inline models::Model tiny_model(std::vector<std::string> decoupled, uint64_t seed = 1,
                                const std::string& scan = nn::kRasterScan) {
  return initialised(tiny_spec(std::move(decoupled), scan), seed);
}

// Positions in sequence order; pictures are whole runs of positions_per_item() positions.
struct Sequence {
  std::vector<int64_t> tokens, modality, offsets = {0};
  at::Tensor patches_QP;  // in sequence order
  at::Tensor timesteps_I;
};

// Text of `before`, a picture, text of `after`.
inline void append(Sequence& sequence, const models::ModelSpec& spec, int64_t before, bool picture,
                   int64_t after, bool end = true) {
  auto text = [&](int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      sequence.tokens.push_back(
          static_cast<int64_t>((7 * sequence.tokens.size() + 3) % static_cast<size_t>(spec.vocab_size)));
      sequence.modality.push_back(0);
    }
  };
  text(before);
  for (int64_t i = 0; picture && i < spec.latents()->positions_per_item(); ++i) {
    sequence.tokens.push_back(0);
    sequence.modality.push_back(1);
  }
  text(after);
  if (end) sequence.offsets.push_back(static_cast<int64_t>(sequence.tokens.size()));
}

inline void draw_patches(Sequence& sequence, const models::ModelSpec& spec, int64_t seed = 5) {
  torch::manual_seed(seed);
  const int64_t count = std::count(sequence.modality.begin(), sequence.modality.end(), 1);
  sequence.patches_QP = torch::randn({count, spec.latents()->patch_width()});
  sequence.timesteps_I =
      torch::arange(count / spec.latents()->positions_per_item(), torch::kInt64) * 137 % spec.diffusion_steps;
}

// Three packed sequences with and without pictures.
inline Sequence mixed(const models::ModelSpec& spec) {
  Sequence sequence;
  append(sequence, spec, 3, true, 2, false);
  append(sequence, spec, 4, true, 5);
  append(sequence, spec, 6, false, 0);
  append(sequence, spec, 0, true, 1);
  draw_patches(sequence, spec);
  return sequence;
}

inline models::ModelInput to_input(const Sequence& sequence, int64_t num_modalities = 2) {
  models::ModelInput input;
  input.routing = nn::make_routing(torch::tensor(sequence.modality, torch::kInt64),
                                   torch::tensor(sequence.offsets, torch::kInt64), num_modalities);
  const at::Tensor tokens = torch::tensor(sequence.tokens, torch::kInt64);
  input.tokens_T = torch::empty_like(tokens).index_copy_(0, input.routing.order_T, tokens);
  input.patches_QP = {sequence.patches_QP};
  input.timesteps_I = sequence.timesteps_I;
  return input;
}

// Final activations in sequence order.
inline at::Tensor run(models::Model& model, const Sequence& sequence, models::ModelState* state = nullptr) {
  torch::NoGradGuard no_grad;
  const models::ModelInput input = to_input(sequence);
  return model->forward(input, state).index_select(0, input.routing.order_T);
}

// Two sequences, a picture each.
inline data::Batch small_batch(const models::ModelSpec& spec) {
  Sequence sequence;
  append(sequence, spec, 4, true, 3);
  append(sequence, spec, 5, true, 0);
  const models::ModelInput input = to_input(sequence);
  data::Batch batch;
  batch.routing = input.routing;
  batch.tokens_T = input.tokens_T;
  batch.target_rows_R = torch::tensor({0L, 1L, 5L});
  batch.target_ids_R = torch::tensor({3L, 9L, 11L});
  batch.target_modalities_R = torch::zeros({3}, torch::kInt64);
  torch::manual_seed(3);
  batch.items = {{torch::randn({2, 2, 4, 4})}};
  batch.num_tokens = {batch.routing.group_size(0), batch.routing.group_size(1)};
  batch.noise_key = 77;
  return batch;
}

}  // namespace mom::test
