#include "mom/codecs/conv_net.h"

namespace mom::codecs {
namespace {

namespace nn = torch::nn;

nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
}

nn::GroupNorm group_norm(int64_t channels) {
  return nn::GroupNorm(nn::GroupNormOptions(channels % 16 == 0 ? channels / 16 : 1, channels));
}

nn::PixelUnshuffle halve() { return nn::PixelUnshuffle(nn::PixelUnshuffleOptions(2)); }
nn::PixelShuffle twice() { return nn::PixelShuffle(nn::PixelShuffleOptions(2)); }

int64_t width_at(const ConvShape& shape, int64_t factor) { return shape.base_channels * factor / 2; }

void push_blocks(nn::Sequential& net, const ConvShape& shape, int64_t factor) {
  for (int64_t i = 0; i < shape.blocks; ++i) net->push_back(ResidualBlock(width_at(shape, factor)));
}

}  // namespace

nn::Sequential conv_encoder(const ConvShape& shape, int64_t outputs) {
  nn::Sequential net;
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
  net->push_back(nn::SiLU());
  net->push_back(conv(width, outputs, 3));
  return net;
}

nn::Sequential conv_decoder(const ConvShape& shape, int64_t inputs) {
  nn::Sequential net;
  net->push_back(conv(inputs, width_at(shape, shape.downsample), 3));
  push_blocks(net, shape, shape.downsample);
  for (int64_t factor = shape.downsample / 2; factor >= 2; factor /= 2) {
    net->push_back(conv(width_at(shape, factor * 2), 4 * width_at(shape, factor), 1));
    net->push_back(twice());
    push_blocks(net, shape, factor);
  }
  net->push_back(group_norm(width_at(shape, 2)));
  net->push_back(nn::SiLU());
  net->push_back(conv(width_at(shape, 2), 12, 3));
  net->push_back(twice());
  return net;
}

nn::Conv2d linear_encoder(int64_t downsample, int64_t outputs) {
  return nn::Conv2d(nn::Conv2dOptions(3, outputs, downsample).stride(downsample));
}

nn::Conv2d linear_decoder(int64_t downsample, int64_t inputs) {
  return conv(inputs, 3 * downsample * downsample, 1);
}

void to_channels_last(nn::Module& net) {
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
