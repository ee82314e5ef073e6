// The files of a checkpoint: tensors whose numbers are in rows, of which each process owns parts. Rank 0 has the files. Tensors
// travel one at a time, so that no process needs room for all.
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/formats/safetensors.h"
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
  RowFiles(const FlatParameters& parameters, const Sharding& sharding)
      : parameters_(parameters), sharding_(sharding) {}

  // Collective. Rank 0 writes `file`, with `more` tensors that it has itself; the others send, and `file` is not read.
  void write(const Path& file, const std::vector<RowTensor>& tensors,
             const std::map<std::string, std::string>& metadata,
             const std::vector<formats::TensorToWrite>& more = {}) const;
  // Collective, into the owners' rows; `file` is read on rank 0, null elsewhere. InputError naming it where it has not
  // exactly these tensors, f32, and `more` others.
  void read(const formats::SafetensorsReader* file, const std::vector<RowTensor>& tensors,
            size_t more = 0) const;

 private:
  const FlatParameters& parameters_;
  const Sharding& sharding_;
};

}  // namespace mom::train
