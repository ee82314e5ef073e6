// Bytes between Python and C++: as torch.uint8, since TorchScript's strings are text.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstring>
#include <string>

namespace mom::python {

inline std::string to_string(const at::Tensor& bytes) {
  const at::Tensor dense = bytes.contiguous();
  TORCH_CHECK(dense.scalar_type() == at::kByte, "bytes are to be uint8, not ", dense.scalar_type());
  return {reinterpret_cast<const char*>(dense.const_data_ptr<uint8_t>()), static_cast<size_t>(dense.numel())};
}

inline at::Tensor to_tensor(const std::string& text) {
  at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.mutable_data_ptr<uint8_t>(), text.data(), text.size());
  return bytes;
}

}  // namespace mom::python
