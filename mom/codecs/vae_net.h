// The network of the image VAE: the convolutions of conv_net.h between pictures and latents with a mean and a
// variance. N pictures, C latent channels, S picture side, f downsampling.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include <utility>

#include "mom/codecs/conv_net.h"
#include "mom/codecs/image_vae.h"

namespace mom::codecs {

class VaeNetImpl : public torch::nn::Module {
 public:
  explicit VaeNetImpl(const ImageVaeConfig& config);
  // [N, 3, S, S] -> mean and log variance, each [N, C, S/f, S/f].
  std::pair<at::Tensor, at::Tensor> encode(const at::Tensor& pixels);
  // [N, C, S/f, S/f] -> [N, 3, S, S], not clamped.
  at::Tensor decode(const at::Tensor& latents);

  // Per channel [C] over the training pictures; latents are stored as (mean - latent_mean) / latent_std.
  at::Tensor latent_mean, latent_std;

 private:
  torch::nn::Sequential encoder_, decoder_;
  torch::nn::Conv2d linear_in_{nullptr}, linear_out_{nullptr};
  int64_t downsample_;
};
TORCH_MODULE(VaeNet);

}  // namespace mom::codecs
