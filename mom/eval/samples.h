// Pictures people can judge: validation pictures, noised, and what the model makes of them in one step.
#pragma once

#include "mom/data/shard.h"
#include "mom/models/objective.h"
#include "mom/train/recipe.h"

namespace mom::eval {

// Writes RUN/samples/denoised.json and its PNGs: for the first validation pictures the original as the codec
// gives it back, the noised latent decoded, and the clean latent predicted from it in one step, caption
// first. The same pictures, noise and timestep for every run on the same data.
void write_denoised_samples(const Path& run, models::ModelImpl& model, const models::Objective& objective,
                            const data::EncodedDataset& dataset, const train::Recipe& recipe, int64_t step,
                            int64_t count);

}  // namespace mom::eval
