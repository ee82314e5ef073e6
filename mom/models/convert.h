// One model into another.
#pragma once

#include "mom/models/model.h"

namespace mom::models {

// Upcycling: a dense Mamba as the Mixture-of-Mamba that computes the same. Each modality starts with a copy
// of the dense projections. `decoupled`: which projections; empty: all four. UserError: not a dense Mamba,
// unknown projections.
Model dense_to_mixture(ModelImpl& dense, std::vector<std::string> decoupled = {});

// Copies the weights of a model folder or checkpoint into `model`. UserError where they are of another network.
void start_from(ModelImpl& model, const Path& folder);

}  // namespace mom::models
