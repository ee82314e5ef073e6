// The files of a checkpoint: tensors whose numbers are in rows, of which each process owns parts. Rank 0 writes a file, or
// every process one of its own where they share a disk, with an index (models/weight_files.h); rank 0 reads. Tensors travel one
// at a time, so that no process needs room for all.
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/formats/safetensors.h"
#include "mom/models/weight_files.h"
#include "mom/train/flat_parameters.h"
#include "mom/train/optimizer.h"
#include "mom/train/sharding.h"

namespace mom::train {

struct RowTensor {
  std::string name;  // in the file
  size_t weight;     // whose shape and place it has
  at::Tensor row;
};
// By the weights' names.
std::vector<RowTensor> weights_in(const FlatParameters& parameters, const at::Tensor& row);
// "NAME.exp_avg" and "NAME.exp_avg_sq" of every weight.
std::vector<RowTensor> moments_in(const FlatParameters& parameters, const AdamW::State& state);

class RowFiles {
 public:
  // `per_process`: a file of each process in place of one.
  RowFiles(const FlatParameters& parameters, const Sharding& sharding, bool per_process = false)
      : parameters_(parameters), sharding_(sharding), per_process_(per_process) {}

  // Collective. `folder`: not read where this process writes nothing. `name`: NAME.safetensors, or with a file of each process
  // NAME-00001-of-00004.safetensors, ... and NAME.safetensors.index.json. `more`: tensors that rank 0 has itself.
  void write(const Path& folder, const std::string& name, const std::vector<RowTensor>& tensors,
             const std::map<std::string, std::string>& metadata,
             const std::vector<formats::TensorToWrite>& more = {}) const;
  // Collective, into the owners' rows; `files` is of rank 0, null elsewhere. InputError naming it where it has not
  // exactly these tensors, f32, and `more` others.
  void read(const models::WeightFiles* files, const std::vector<RowTensor>& tensors, size_t more = 0) const;

 private:
  const FlatParameters& parameters_;
  const Sharding& sharding_;
  bool per_process_;
};

}  // namespace mom::train
