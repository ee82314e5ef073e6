// A model's f32 weights in the order in which they are multiplied (panels, kernels/matvec.h), packed once, when they are first
// asked for, and shared by whoever multiplies by them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <vector>

#include "mom/ops/huge_pages.h"

namespace mom::ops {

class PackedWeights {
 public:
  // Keeps the parameters, whose values must not change from here on.
  explicit PackedWeights(const std::vector<at::Tensor>& parameters);
  // weight_RC, f32, in panels [packed_elements(R, C)]. Kept where it is a part of a parameter; packed for this caller alone
  // where it is not. From any thread.
  at::Tensor panels(const at::Tensor& weight_RC) const;

 private:
  using Place = std::tuple<const void*, int64_t, int64_t, int64_t, int64_t>;  // first number, sizes, strides
  std::vector<at::Tensor> parameters_;
  std::set<const void*> storages_;
  mutable std::mutex mutex_;
  mutable HugePages memory_;
  mutable std::map<Place, at::Tensor> panels_;
};

}  // namespace mom::ops
