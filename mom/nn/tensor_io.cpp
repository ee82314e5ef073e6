#include "mom/nn/tensor_io.h"

#include <torch/types.h>

#include <cstring>
#include <vector>

#include "mom/base/error.h"

namespace mom::nn {
namespace {

using formats::DType;

struct DTypePair {
  DType file;
  at::ScalarType torch;
};
constexpr DTypePair kDTypes[] = {
    {DType::kBool, at::kBool},  {DType::kU8, at::kByte},       {DType::kI8, at::kChar},
    {DType::kI16, at::kShort},  {DType::kI32, at::kInt},       {DType::kI64, at::kLong},
    {DType::kF16, at::kHalf},   {DType::kBF16, at::kBFloat16}, {DType::kF32, at::kFloat},
    {DType::kF64, at::kDouble},
};

}  // namespace

at::Tensor to_tensor(const formats::TensorView& view) {
  for (const DTypePair& pair : kDTypes) {
    if (pair.file != view.dtype) continue;
    at::Tensor tensor = torch::empty(view.shape, pair.torch);
    if (!view.bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    return tensor;
  }
  throw InputError("safetensors: dtype has no torch twin");
}

formats::TensorView view_of(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous() && tensor.device().is_cpu(),
              "[view_of] expected a contiguous CPU tensor");
  for (const DTypePair& pair : kDTypes) {
    if (pair.torch != tensor.scalar_type()) continue;
    return {pair.file,
            tensor.sizes().vec(),
            {static_cast<const std::byte*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
  }
  TORCH_CHECK(false, "[view_of] dtype ", tensor.scalar_type(), " has no safetensors twin");
}

NamedTensors load_tensors(const Path& path, std::map<std::string, std::string>* metadata) {
  formats::SafetensorsReader reader(path);
  NamedTensors tensors;
  for (const auto& [name, view] : reader.tensors()) tensors.emplace(name, to_tensor(view));
  if (metadata) *metadata = reader.metadata();
  return tensors;
}

void write_tensors(const Path& path, const NamedTensors& tensors,
                   const std::map<std::string, std::string>& metadata) {
  std::vector<at::Tensor> keep;  // contiguous copies must outlive the views
  std::vector<formats::TensorToWrite> entries;
  for (const auto& [name, tensor] : tensors) {
    keep.push_back(tensor.detach().cpu().contiguous());
    entries.push_back({name, view_of(keep.back())});
  }
  formats::write_safetensors(path, entries, metadata);
}

}  // namespace mom::nn
