#include <ATen/ops/ones.h>
#include <mom/ops/causal_conv1d.h>

#include <iostream>

int main() {
  const at::Tensor x_TD = at::ones({3, 1}), weight_DK = at::ones({1, 2});
  const auto [y_TD, state_SDK] = mom::ops::causal_conv1d(x_TD, weight_DK, {}, /*silu=*/false, {}, {});
  std::cout << y_TD.sum().item<float>() << "\n";  // 1 + 2 + 2
}
