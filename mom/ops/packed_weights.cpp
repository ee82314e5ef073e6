#include "mom/ops/packed_weights.h"

#include <ATen/ATen.h>

#include "mom/kernels/matvec.h"

namespace mom::ops {
namespace {

constexpr auto kF32 = kernels::WeightType::kF32;

// Room for the panels of every matrix, each packed once.
int64_t bytes_of(const std::vector<at::Tensor>& parameters) {
  int64_t bytes = 0;
  for (const at::Tensor& parameter : parameters) {
    if (parameter.dim() < 2 || parameter.numel() == 0) continue;
    const int64_t rows = parameter.size(-2), columns = parameter.size(-1);
    bytes += parameter.numel() / (rows * columns) *
             HugePages::rounded(4 * kernels::packed_elements(rows, columns, kF32));
  }
  return bytes;
}

}  // namespace

PackedWeights::PackedWeights(const std::vector<at::Tensor>& parameters) : memory_(bytes_of(parameters)) {
  for (const at::Tensor& parameter : parameters) {
    parameters_.push_back(parameter.detach());
    storages_.insert(parameter.storage().data());
  }
}

at::Tensor PackedWeights::panels(const at::Tensor& weight_RC) const {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = weight_RC.detach();
  const auto pack = [&](const at::Tensor& to) {
    const at::Tensor dense = weight.contiguous();
    kernels::pack_panels(dense.const_data_ptr<float>(), dense.size(0), dense.size(1),
                         to.mutable_data_ptr<float>());
    return to;
  };
  const int64_t count = kernels::packed_elements(weight.size(0), weight.size(1), kF32);
  if (!storages_.contains(weight.storage().data())) return pack(at::empty({count}, at::kFloat));
  const Place place{weight.const_data_ptr(), weight.size(0), weight.size(1), weight.stride(0),
                    weight.stride(1)};
  const std::scoped_lock lock(mutex_);
  at::Tensor& kept = panels_[place];
  if (!kept.defined())
    kept = pack(memory_.has_room_for(4 * count) ? memory_.take({count}, at::kFloat)
                                                : at::empty({count}, at::kFloat));
  return kept;
}

}  // namespace mom::ops
