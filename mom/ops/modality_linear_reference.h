// The modality linear layer in plain tensor ops, slices joined by cat. Arguments and result as in modality_linear.h.
#pragma once

#include <ATen/core/Tensor.h>

namespace mom::ops {

at::Tensor modality_linear_reference(const at::Tensor& x_TI, at::TensorList weights_OI,
                                     at::TensorList biases_O, const at::Tensor& group_offsets_M1);

}  // namespace mom::ops
