// The convolutions between pictures and latents that all image codecs share: residual blocks at half
// resolution and below, none at full resolution, where most of the time would go; each stage halves the side.
// Beside them a linear path (one patch <-> one latent pixel) carries the coarse picture from the start.
// Pixels are in [-1, 1], channels last. N pictures, S picture side, C latent channels, f downsampling.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

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

struct ConvShape {
  int64_t downsample = 4;      // f, a power of two
  int64_t base_channels = 32;  // at half resolution; doubles with each halving
  int64_t blocks = 1;          // residual blocks per stage
};

// [N, 3, S, S] -> [N, outputs, S/f, S/f] and [N, inputs, S/f, S/f] -> [N, 3, S, S].
torch::nn::Sequential conv_encoder(const ConvShape& shape, int64_t outputs);
torch::nn::Sequential conv_decoder(const ConvShape& shape, int64_t inputs);
// The linear path: one convolution of stride f; and 3 f^2 channels, which shuffle_pixels makes a picture.
torch::nn::Conv2d linear_encoder(int64_t downsample, int64_t outputs);
torch::nn::Conv2d linear_decoder(int64_t downsample, int64_t inputs);
// Channels <-> pixels, channels last: [N, C f^2, H, W] -> [N, C, H f, W f], and back.
at::Tensor shuffle_pixels(const at::Tensor& x, int64_t factor);
at::Tensor unshuffle_pixels(const at::Tensor& x, int64_t factor);

// Weights in the memory order in which oneDNN is about 1.5 x faster here.
void to_channels_last(torch::nn::Module& net);

// u8 [N, 3, S, S] <-> f32 in [-1, 1], channels last.
at::Tensor to_pixels(const at::Tensor& images_NCHW);
at::Tensor to_bytes(const at::Tensor& pixels);

}  // namespace mom::codecs
