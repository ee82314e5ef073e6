// Products whose rows do not know of each other, for generation: sequences join and leave a batch, prompts are read in
// pieces, and neither may change a bit of an answer. oneDNN and MKL sum in an order that depends on the number of rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>

#include "mom/kernels/matvec.h"
#include "mom/ops/packed_weights.h"

namespace mom::ops {

// While it lives, multiply() (gemm.h) in this thread computes a row of the result from that row of the left factor alone,
// whatever rows are beside it and however many threads: f32 on a CPU, `right` a weight [N, K] transposed, whose panels are
// those of `weights`. Such a product has the bits of kernels/matvec.h.
class ScopedRowwise {
 public:
  explicit ScopedRowwise(const PackedWeights& weights);
  ~ScopedRowwise();
  ScopedRowwise(const ScopedRowwise&) = delete;
  ScopedRowwise& operator=(const ScopedRowwise&) = delete;

 private:
  const PackedWeights* previous_;
};
bool rowwise();

// `function` of each of `num_items` pieces of x's rows alone, joined; while products are not rowwise, of all at once.
// LibTorch's convolutions depend on how many images there are, and its element-wise functions on where in the tensor an
// element is: the last few are computed by other instructions.
at::Tensor each_item(const at::Tensor& x, int64_t num_items,
                     const std::function<at::Tensor(const at::Tensor&)>& function);

// to_MN = left_MK * right_KN (+ bias_N), while products are rowwise.
void multiply_rowwise(const at::Tensor& left_MK, const at::Tensor& right_KN, const at::Tensor& to_MN,
                      const at::Tensor& bias_N);
// The same of rows wherever they are, on all threads: y[i] = weights x[i] (+ bias), `weights` f32.
void multiply_rowwise(const kernels::WeightMatrix& weights, std::span<const float* const> x,
                      std::span<float* const> y);

}  // namespace mom::ops
