// The network of the VQ image codec: the convolutions of conv_net.h around a codebook. N pictures, S their
// side, L positions per picture (S/f per side), E width of a code, K codes, f downsampling.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include "mom/codecs/conv_net.h"
#include "mom/codecs/image_vq.h"

namespace mom::codecs {

class VqNetImpl : public torch::nn::Module {
 public:
  explicit VqNetImpl(const ImageVqConfig& config);
  // [N, 3, S, S] -> [N L, E], raster order within a picture.
  at::Tensor encode(const at::Tensor& pixels);
  // [N L, E] -> [N, 3, S, S], not clamped.
  at::Tensor decode(const at::Tensor& vectors_NE);

  at::Tensor codebook_KE;  // saved as "codebook"

 private:
  torch::nn::Sequential encoder_, decoder_;
  torch::nn::Conv2d linear_in_{nullptr}, linear_out_{nullptr};
  int64_t downsample_, side_, code_width_;
};
TORCH_MODULE(VqNet);

}  // namespace mom::codecs
