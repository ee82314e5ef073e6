// Small pictures for the tests of image codecs.
#pragma once

#include <torch/types.h>
#include <torch/utils.h>

namespace mom::test {

// Discs of random colour and place on white, u8 [count, 3, 16, 16].
inline at::Tensor discs(int64_t count, uint64_t seed) {
  torch::manual_seed(seed);
  const at::Tensor axis = torch::arange(16, at::kFloat);
  const at::Tensor x = 4 + 8 * torch::rand({count, 1, 1, 1}), y = 4 + 8 * torch::rand({count, 1, 1, 1});
  const at::Tensor inside =
      ((axis.view({1, 1, 1, 16}) - x).square() + (axis.view({1, 1, 16, 1}) - y).square()).lt(12);
  return torch::where(inside, 255 * torch::rand({count, 3, 1, 1}), torch::tensor(255.0f)).to(at::kByte);
}

}  // namespace mom::test
