// Rows of a parameter table, for training: the gradient is added to the rows that were read, straight in the
// table's own .grad. ATen's embedding makes a whole second table of zeros for it (154 MB at 50,280 x 768),
// and a third one where the table is tied to the head. T rows, V vocabulary, E width.
#pragma once

#include <ATen/core/Tensor.h>

namespace mom::ops {

// weight_VE f32 [V, E], ids_T i64 [T], below V -> [T, E]. weight_VE's gradient goes to weight_VE.grad() where
// it is a leaf (torch::autograd::grad would not see it), and is returned elsewhere. Sums in the order of the rows.
at::Tensor embedding_of_parameter(const at::Tensor& weight_VE, const at::Tensor& ids_T);

// Adds `grad` to the leaf's own gradient, or makes it that.
void add_to_leaf(const at::Tensor& leaf, const at::Tensor& grad);

}  // namespace mom::ops
