// Backend::kCheck: the kernels' values and gradients against the reference in f64.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mom::ops {

// An op's reference as a function of its float tensors (undefined = absent), everything else bound.
using TensorFunction = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

void check_values(std::string_view op, const std::vector<std::string>& names,
                  const std::vector<at::Tensor>& got, const TensorFunction& reference,
                  const std::vector<at::Tensor>& inputs);
// `names` and `got` are the gradients, one for each input; undefined where none was computed.
void check_gradients(std::string_view op, const std::vector<std::string>& names,
                     const std::vector<at::Tensor>& got, const TensorFunction& reference,
                     const std::vector<at::Tensor>& inputs, const std::vector<at::Tensor>& output_gradients);

}  // namespace mom::ops
