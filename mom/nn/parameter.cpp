#include "mom/nn/parameter.h"

#include <torch/torch.h>

namespace mom::nn {
namespace {

thread_local bool on_meta_device = false;

}  // namespace

OnMetaDevice::OnMetaDevice() : previous_(on_meta_device) { on_meta_device = true; }
OnMetaDevice::~OnMetaDevice() { on_meta_device = previous_; }

at::Tensor empty_parameter(at::IntArrayRef sizes) {
  return torch::empty(
      sizes,
      torch::TensorOptions().dtype(torch::kFloat32).device(on_meta_device ? torch::kMeta : torch::kCPU));
}

}  // namespace mom::nn
