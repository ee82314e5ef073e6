// Samples people can judge, of validation documents: what a model makes of them in one step.
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

// Writes RUN/samples/predicted.json and its PNGs and WAVs: for each modality of codes the first validation
// segments as the codec gives them back, and what comes back when every code is the likeliest one after the
// true positions before it. The same documents in the same order for every run on the same data.
void write_predicted_samples(const Path& run, models::ModelImpl& model, const data::EncodedDataset& dataset,
                             const train::Recipe& recipe, int64_t step, int64_t count);

}  // namespace mom::eval
