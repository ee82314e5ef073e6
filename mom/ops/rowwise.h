// Products whose rows do not know of each other, for generation: sequences join and leave a batch, prompts are read in
// pieces, and neither may change a bit of an answer. oneDNN and MKL sum in an order that depends on the number of rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace mom::ops {

enum class Rowwise {
  kOff,
  // For many rows: oneDNN's or MKL's products of a fixed number of rows, the last ones filled up with zeros, each on one
  // thread. Such a product computes all its rows alike, which tests/ops/rowwise_test.cpp holds for the machine it runs on.
  kBlocks,
  kRows,  // for a few rows: kernels/matvec.h
};

// While it lives, multiply() (gemm.h) in this thread computes a row of the result from that row of the left factor alone,
// whatever rows are beside it and however many threads: f32 on a CPU, `right` a weight [N, K] transposed. The two ways
// differ in their last bits.
class ScopedRowwise {
 public:
  explicit ScopedRowwise(Rowwise way);
  ~ScopedRowwise();
  ScopedRowwise(const ScopedRowwise&) = delete;
  ScopedRowwise& operator=(const ScopedRowwise&) = delete;

 private:
  Rowwise previous_;
};
Rowwise rowwise();

// `function` of each of `num_items` pieces of x's rows alone, joined; while products are not rowwise, of all at once.
// LibTorch's convolutions depend on how many images there are, and its element-wise functions on where in the tensor an
// element is: the last few are computed by other instructions.
at::Tensor each_item(const at::Tensor& x, int64_t num_items,
                     const std::function<at::Tensor(const at::Tensor&)>& function);

// to_MN = left_MK * right_KN (+ bias_N) in the way that is on; `product` is the plain one.
using Product = std::function<void(const at::Tensor& left, const at::Tensor& right, const at::Tensor& to,
                                   const at::Tensor& bias)>;
void multiply_rowwise(const at::Tensor& left_MK, const at::Tensor& right_KN, const at::Tensor& to_MN,
                      const at::Tensor& bias_N, const Product& product);

}  // namespace mom::ops
