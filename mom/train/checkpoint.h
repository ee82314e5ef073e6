// Checkpoints: RUN/checkpoints/step-00001000/{config.json, model.safetensors, optimizer.safetensors, state.json,
// manifest.json}. With an average of the weights, model.safetensors holds the average and last.safetensors the weights
// that training goes on from. The folder appears by rename once everything in it is on disk; the manifest (sizes and sha256) is
// written last.
#pragma once

#include <optional>
#include <vector>

#include "mom/base/json.h"
#include "mom/models/model.h"
#include "mom/train/average.h"
#include "mom/train/optimizer.h"

namespace mom::train {

struct Checkpoint {
  Path folder;
  int64_t step = 0;
};

std::vector<Checkpoint> list_checkpoints(const Path& run);  // rising steps

// `optimizer`: of all ranges. `state` is everything but tensors: step, counters, data position. `average` may be null.
void save_checkpoint(const Path& run, int64_t step, models::ModelImpl& model,
                     const nn::NamedTensors& optimizer, WeightAverage* average, const OrderedJson& state,
                     int64_t keep);

// Checks the manifest: every file present with its size and sha256. InputError names the file.
void verify_checkpoint(const Path& folder);

// Verifies, then restores the weights and the average (may be null). Where the checkpoint has no average, it begins
// at the checkpoint's weights.
struct LoadedCheckpoint {
  AdamW::State optimizer;  // of all ranges
  Json state;
};
LoadedCheckpoint load_checkpoint(const Path& folder, models::ModelImpl& model,
                                 const FlatParameters& parameters, WeightAverage* average);

// The folder with the weights: `path` itself when it is a model or checkpoint folder, the newest checkpoint of a run.
Path find_model_folder(const Path& path);

}  // namespace mom::train
