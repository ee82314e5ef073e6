#include "mom/ops/modality_linear_reference.h"

#include <ATen/ATen.h>

#include "mom/ops/arguments.h"

namespace mom::ops {

at::Tensor modality_linear_reference(const at::Tensor& x_TI, at::TensorList weights_OI,
                                     at::TensorList biases_O, const at::Tensor& group_offsets_M1) {
  const std::vector<int64_t> offsets = offsets_or_whole(group_offsets_M1, x_TI.size(0));
  std::vector<at::Tensor> groups;
  for (size_t m = 0; m < weights_OI.size(); ++m) {
    at::Tensor y =
        at::matmul(x_TI.slice(0, offsets[m], offsets[m + 1]), weights_OI[m].to(x_TI.scalar_type()).t());
    groups.push_back(biases_O.empty() ? y : y + biases_O[m].to(x_TI.scalar_type()));
  }
  return at::cat(groups);
}

}  // namespace mom::ops
