#include "mom/ops/modality_linear.h"

#include <torch/torch.h>

#include "mom/ops/modality_linear_reference.h"

namespace mom::ops {

at::Tensor modality_linear(const at::Tensor& x_TI, at::TensorList weights_OI, at::TensorList biases_O,
                           const at::Tensor& group_offsets_M1) {
  return modality_linear_reference(x_TI, weights_OI, biases_O, group_offsets_M1);
}

}  // namespace mom::ops
