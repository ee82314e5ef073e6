#include "mom/codecs/conv_net.h"

#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/functional.h>

namespace mom::codecs {
namespace {

torch::nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
}

torch::nn::GroupNorm group_norm(int64_t channels) {
  return torch::nn::GroupNorm(torch::nn::GroupNormOptions(channels % 16 == 0 ? channels / 16 : 1, channels));
}

torch::nn::Functional halve() { return torch::nn::Functional(unshuffle_pixels, 2); }
torch::nn::Functional twice() { return torch::nn::Functional(shuffle_pixels, 2); }

// PyTorch's shuffles throw on processors without AVX2: asked once.
bool torch_shuffles() {
  static const bool answer = [] {
    try {
      at::pixel_shuffle(at::zeros({1, 4, 2, 2}).contiguous(at::MemoryFormat::ChannelsLast), 2);
      return true;
    } catch (const c10::Error&) {
      return false;
    }
  }();
  return answer;
}

int64_t width_at(const ConvShape& shape, int64_t factor) { return shape.base_channels * factor / 2; }

void push_blocks(torch::nn::Sequential& net, const ConvShape& shape, int64_t factor) {
  for (int64_t i = 0; i < shape.blocks; ++i) net->push_back(ResidualBlock(width_at(shape, factor)));
}

}  // namespace

torch::nn::Sequential conv_encoder(const ConvShape& shape, int64_t outputs) {
  torch::nn::Sequential net;
  net->push_back(halve());
  net->push_back(conv(12, width_at(shape, 2), 3));
  push_blocks(net, shape, 2);
  for (int64_t factor = 4; factor <= shape.downsample; factor *= 2) {
    net->push_back(halve());
    net->push_back(conv(4 * width_at(shape, factor / 2), width_at(shape, factor), 1));
    push_blocks(net, shape, factor);
  }
  const int64_t width = width_at(shape, shape.downsample);
  net->push_back(group_norm(width));
  net->push_back(torch::nn::SiLU());
  net->push_back(conv(width, outputs, 3));
  return net;
}

torch::nn::Sequential conv_decoder(const ConvShape& shape, int64_t inputs) {
  torch::nn::Sequential net;
  net->push_back(conv(inputs, width_at(shape, shape.downsample), 3));
  push_blocks(net, shape, shape.downsample);
  for (int64_t factor = shape.downsample / 2; factor >= 2; factor /= 2) {
    net->push_back(conv(width_at(shape, factor * 2), 4 * width_at(shape, factor), 1));
    net->push_back(twice());
    push_blocks(net, shape, factor);
  }
  net->push_back(group_norm(width_at(shape, 2)));
  net->push_back(torch::nn::SiLU());
  net->push_back(conv(width_at(shape, 2), 12, 3));
  net->push_back(twice());
  return net;
}

torch::nn::Conv2d linear_encoder(int64_t downsample, int64_t outputs) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(3, outputs, downsample).stride(downsample));
}

torch::nn::Conv2d linear_decoder(int64_t downsample, int64_t inputs) {
  return conv(inputs, 3 * downsample * downsample, 1);
}

// Our own move as many elements one by one, three times as slowly.
at::Tensor shuffle_pixels(const at::Tensor& x, int64_t factor) {
  if (torch_shuffles()) return at::pixel_shuffle(x, factor);
  const int64_t f = factor, N = x.size(0), C = x.size(1) / (f * f), H = x.size(2), W = x.size(3);
  return x.view({N, C, f, f, H, W})
      .permute({0, 4, 2, 5, 3, 1})
      .reshape({N, H * f, W * f, C})
      .permute({0, 3, 1, 2});
}

at::Tensor unshuffle_pixels(const at::Tensor& x, int64_t factor) {
  if (torch_shuffles()) return at::pixel_unshuffle(x, factor);
  const int64_t f = factor, N = x.size(0), C = x.size(1), H = x.size(2) / f, W = x.size(3) / f;
  return x.view({N, C, H, f, W, f})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({N, H, W, C * f * f})
      .permute({0, 3, 1, 2});
}

void to_channels_last(torch::nn::Module& net) {
  for (at::Tensor& weight : net.parameters()) {
    if (weight.dim() == 4) weight.set_data(weight.detach().contiguous(at::MemoryFormat::ChannelsLast));
  }
}

ResidualBlockImpl::ResidualBlockImpl(int64_t channels) {
  norm1_ = register_module("norm1", group_norm(channels));
  conv1_ = register_module("conv1", conv(channels, channels, 3));
  norm2_ = register_module("norm2", group_norm(channels));
  conv2_ = register_module("conv2", conv(channels, channels, 3));
  torch::nn::init::zeros_(conv2_->weight);
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& x) {
  const at::Tensor hidden = conv1_->forward(torch::silu(norm1_->forward(x)));
  return x + conv2_->forward(torch::silu(norm2_->forward(hidden)));
}

at::Tensor to_pixels(const at::Tensor& images_NCHW) {
  return images_NCHW.to(at::kFloat).div_(127.5).sub_(1).contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor to_bytes(const at::Tensor& pixels) {
  return pixels.add(1).mul_(127.5).round_().clamp_(0, 255).to(at::kByte).contiguous(
      at::MemoryFormat::Contiguous);
}

}  // namespace mom::codecs
