// Where new parameters live. A network is built on the meta device to be counted: shapes without memory.
#pragma once

#include <torch/torch.h>

namespace mom::nn {

// While it lives, parameters this thread makes have no memory.
class OnMetaDevice {
 public:
  OnMetaDevice();
  ~OnMetaDevice();
  OnMetaDevice(const OnMetaDevice&) = delete;
  OnMetaDevice& operator=(const OnMetaDevice&) = delete;

 private:
  bool previous_;
};

// f32, not initialised.
at::Tensor empty_parameter(at::IntArrayRef sizes);

// A module without anything of its own: it gives the names of what is registered in it their next part, as
// in in_proj.image.weight.
struct NameScopeImpl : torch::nn::Module {};
TORCH_MODULE(NameScope);

}  // namespace mom::nn
