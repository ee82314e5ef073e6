// The network of the image VAE: residual convolutions at half resolution and below, none at full resolution,
// where most of the time would go. Beside them a linear path (one patch <-> one latent pixel) carries the
// coarse picture from the start. Pixels are in [-1, 1]. N pictures, C latent channels, S picture side, f
// downsampling.
#pragma once

#include <torch/torch.h>

#include <utility>

#include "mom/codecs/image_vae.h"

namespace mom::codecs {

// x + conv(silu(norm(conv(silu(norm(x)))))), the last convolution starting at zero.
class ResidualBlockImpl : public torch::nn::Module {
 public:
  explicit ResidualBlockImpl(int64_t channels);
  at::Tensor forward(const at::Tensor& x);

 private:
  torch::nn::GroupNorm norm1_{nullptr}, norm2_{nullptr};
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(ResidualBlock);

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

// u8 [N, 3, S, S] -> f32 in [-1, 1], channels last (about 1.5 x faster through oneDNN).
at::Tensor to_pixels(const at::Tensor& images_NCHW);
at::Tensor to_bytes(const at::Tensor& pixels);

}  // namespace mom::codecs
