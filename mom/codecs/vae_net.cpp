#include "mom/codecs/vae_net.h"

#include "mom/base/error.h"

namespace mom::codecs {
namespace {

namespace nn = torch::nn;

nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
}

nn::GroupNorm group_norm(int64_t channels) {
  return nn::GroupNorm(nn::GroupNormOptions(channels % 16 == 0 ? channels / 16 : 1, channels));
}

int64_t width_at(const ImageVaeConfig& config, int64_t factor) { return config.base_channels * factor / 2; }

nn::Sequential make_encoder(const ImageVaeConfig& config) {
  nn::Sequential net;
  net->push_back(nn::PixelUnshuffle(nn::PixelUnshuffleOptions(2)));
  net->push_back(conv(12, width_at(config, 2), 3));
  net->push_back(ResidualBlock(width_at(config, 2)));
  for (int64_t factor = 4; factor <= config.downsample; factor *= 2) {
    net->push_back(nn::PixelUnshuffle(nn::PixelUnshuffleOptions(2)));
    net->push_back(conv(4 * width_at(config, factor / 2), width_at(config, factor), 1));
    net->push_back(ResidualBlock(width_at(config, factor)));
  }
  const int64_t width = width_at(config, config.downsample);
  net->push_back(group_norm(width));
  net->push_back(nn::SiLU());
  net->push_back(conv(width, 2 * config.latent_channels, 3));
  return net;
}

nn::Sequential make_decoder(const ImageVaeConfig& config) {
  nn::Sequential net;
  net->push_back(conv(config.latent_channels, width_at(config, config.downsample), 3));
  net->push_back(ResidualBlock(width_at(config, config.downsample)));
  for (int64_t factor = config.downsample / 2; factor >= 2; factor /= 2) {
    net->push_back(conv(width_at(config, factor * 2), 4 * width_at(config, factor), 1));
    net->push_back(nn::PixelShuffle(nn::PixelShuffleOptions(2)));
    net->push_back(ResidualBlock(width_at(config, factor)));
  }
  net->push_back(group_norm(width_at(config, 2)));
  net->push_back(nn::SiLU());
  net->push_back(conv(width_at(config, 2), 12, 3));
  net->push_back(nn::PixelShuffle(nn::PixelShuffleOptions(2)));
  return net;
}

}  // namespace

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

VaeNetImpl::VaeNetImpl(const ImageVaeConfig& config) : downsample_(config.downsample) {
  encoder_ = register_module("encoder", make_encoder(config));
  decoder_ = register_module("decoder", make_decoder(config));
  const int64_t patch = downsample_;
  linear_in_ = register_module("linear_in",
                               nn::Conv2d(nn::Conv2dOptions(3, config.latent_channels, patch).stride(patch)));
  linear_out_ = register_module("linear_out", conv(config.latent_channels, 3 * patch * patch, 1));
  latent_mean = register_buffer("latent_mean", torch::zeros({config.latent_channels}));
  latent_std = register_buffer("latent_std", torch::ones({config.latent_channels}));
  for (at::Tensor& weight : parameters()) {
    if (weight.dim() == 4) weight.set_data(weight.detach().contiguous(at::MemoryFormat::ChannelsLast));
  }
}

std::pair<at::Tensor, at::Tensor> VaeNetImpl::encode(const at::Tensor& pixels) {
  const std::vector<at::Tensor> halves = encoder_->forward(pixels).chunk(2, 1);
  return {halves[0] + linear_in_->forward(pixels), halves[1].clamp(-20, 4)};
}

at::Tensor VaeNetImpl::decode(const at::Tensor& latents) {
  return decoder_->forward(latents) + torch::pixel_shuffle(linear_out_->forward(latents), downsample_);
}

at::Tensor to_pixels(const at::Tensor& images_NCHW) {
  return images_NCHW.to(at::kFloat).div_(127.5).sub_(1).contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor to_bytes(const at::Tensor& pixels) {
  return pixels.add(1).mul_(127.5).round_().clamp_(0, 255).to(at::kByte).contiguous(
      at::MemoryFormat::Contiguous);
}

}  // namespace mom::codecs
