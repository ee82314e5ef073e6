// Tensors of LibTorch's stable ABI for the kernels: checks, conversions and raw views. What a wrong argument must not do
// is read or write outside of a tensor; the messages that users see first are those of mixture_of_mamba/_checks.py.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "mom/kernels/rows.h"

namespace mom::python {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using OptionalTensor = std::optional<Tensor>;

// "[64, 512] Float" for a message.
std::string describe(const Tensor& tensor);

// Checks sizes (-1 = any) and that the kernels can read the tensor: f32 or bf16, in host memory.
void check(const char* op, const char* name, const Tensor& tensor, std::initializer_list<int64_t> sizes);
void check(const char* op, const char* name, const OptionalTensor& tensor,
           std::initializer_list<int64_t> sizes);

// Offsets and order as the kernels read them; the tensors stay alive with it.
class Positions {
 public:
  // Checks offsets_S1 (i64, first 0, last num_tokens, rising; absent = one sequence) and order_T (i64, each row once).
  Positions(const char* op, const OptionalTensor& offsets_S1, const OptionalTensor& order_T,
            int64_t num_tokens);
  int64_t num_sequences() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  const int64_t* offsets() const { return offsets_.data(); }
  const int64_t* order() const;  // null where absent

 private:
  std::vector<int64_t> offsets_;
  OptionalTensor order_;
};

// Rows with last stride 1 as they are, anything else copied.
Tensor with_dense_rows(const Tensor& rows);
OptionalTensor with_dense_rows(const OptionalTensor& rows);
// Contiguous f32.
Tensor as_f32(const Tensor& tensor);
OptionalTensor as_f32(const OptionalTensor& tensor);
Tensor empty_f32(const Tensor& like, std::vector<int64_t> sizes);
// Contiguous, not initialised, with sizes and dtype of `like`; without elements where that is absent.
Tensor empty_as(const Tensor& like);
Tensor empty_as(const OptionalTensor& like, const Tensor& where_absent);

kernels::Rows rows_of(const Tensor& matrix);
kernels::Rows rows_of(const OptionalTensor& matrix);
kernels::MutableRows mutable_rows_of(const Tensor& matrix);
const float* floats_of(const Tensor& tensor);
const float* floats_of(const OptionalTensor& tensor);
float* mutable_floats_of(const Tensor& tensor);

// A kernels::ParallelFor on torch's intra-op threads.
void parallel_tiles(int64_t count, const std::function<void(int64_t)>& tile);

}  // namespace mom::python
