// One model into another.
#pragma once

#include "mom/models/model.h"

namespace mom::models {

// Upcycling: a dense Mamba as the Mixture-of-Mamba that computes the same. Each modality starts with a copy
// of the dense projections. `decoupled`: which projections; empty: all four. UserError: not a dense Mamba,
// unknown projections.
Model dense_to_mixture(ModelImpl& dense, std::vector<std::string> decoupled = {});

// The spec of `from` with one more modality: `like` has `num_ids` ids behind the others (latents: 0). A plain language model,
// whose vocabulary is empty, gains the name alone. UserError: it has that modality.
ModelSpec with_modality(const ModelSpec& from, modality::Modality like, int64_t num_ids);

// What a model may be started from although it differs, where that is wanted: keys of config.json that change what the
// weights are used for, but not their shapes.
std::vector<std::string> keys_that_may_differ();
// Copies the weights of a model folder or checkpoint into `model`, which may know more modalities (grow.h). UserError where
// they are of another network; `differing`: those of keys_that_may_differ() that need not agree. Weights that are new
// are drawn by `seed`. `text_codec`: the folder of that of the data.
void start_from(ModelImpl& model, const Path& folder, const std::vector<std::string>& differing = {},
                uint64_t seed = 0, const Path& text_codec = {});

}  // namespace mom::models
