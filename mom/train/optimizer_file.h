// optimizer.safetensors of a checkpoint: "NAME.exp_avg" and "NAME.exp_avg_sq" of every weight, and "step". Each process has a
// part of the moments; rank 0 has the file. Tensors travel one at a time, so that no process needs room for all.
#pragma once

#include "mom/base/files.h"
#include "mom/formats/safetensors.h"
#include "mom/train/flat_parameters.h"
#include "mom/train/sharding.h"

namespace mom::train {

// Collective: on rank 0 write_optimizer, on the others send_optimizer.
void write_optimizer(const Path& file, const FlatParameters& parameters, const Sharding& sharding,
                     const AdamW::State& state);
void send_optimizer(const FlatParameters& parameters, const Sharding& sharding, const AdamW::State& state);
// Collective; `file` is read on rank 0 (null elsewhere), which knows steps_done. InputError naming it when a tensor is missing or
// of another shape.
void read_optimizer(const formats::SafetensorsReader* file, const FlatParameters& parameters,
                    const Sharding& sharding, AdamW::State& state);

}  // namespace mom::train
