// Checkpoints: RUN/checkpoints/step-00001000/{config.json, model.safetensors, optimizer.safetensors, state.json,
// manifest.json}. With an average of the weights, model.safetensors holds the average and last.safetensors the weights
// that training goes on from. The folder appears by rename once everything in it is on disk; the manifest (sizes and sha256,
// and its own hash: base/manifest.h) is written last.
#pragma once

#include <functional>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::train {

struct Checkpoint {
  Path folder;
  int64_t step = 0;
};

std::vector<Checkpoint> list_checkpoints(const Path& run);  // rising steps

// `write` writes config.json and the files with tensors into a folder. `state` is everything else: step, counters, data
// position.
void save_checkpoint(const Path& run, int64_t step, const std::function<void(const Path& folder)>& write,
                     const OrderedJson& state, int64_t keep);

// Checks the manifest: every file present with its size and sha256. InputError names the file.
void verify_checkpoint(const Path& folder);
// The same of a checkpoint that is used as a model, from which files may have been left out.
void verify_what_is_there(const Path& checkpoint);

inline constexpr const char* kOptimizerFile = "optimizer.safetensors";  // or its shards and their index

// The folder with the weights: `path` itself when it is a model or checkpoint folder, the newest checkpoint of a run.
// Checkpoints are verified; a model folder without a manifest has no checksums.
Path find_model_folder(const Path& path);

}  // namespace mom::train
