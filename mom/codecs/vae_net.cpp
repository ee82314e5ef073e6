#include "mom/codecs/vae_net.h"

namespace mom::codecs {
namespace {

ConvShape shape_of(const ImageVaeConfig& config) { return {config.downsample, config.base_channels, 1}; }

}  // namespace

VaeNetImpl::VaeNetImpl(const ImageVaeConfig& config) : downsample_(config.downsample) {
  encoder_ = register_module("encoder", conv_encoder(shape_of(config), 2 * config.latent_channels));
  decoder_ = register_module("decoder", conv_decoder(shape_of(config), config.latent_channels));
  linear_in_ = register_module("linear_in", linear_encoder(downsample_, config.latent_channels));
  linear_out_ = register_module("linear_out", linear_decoder(downsample_, config.latent_channels));
  latent_mean = register_buffer("latent_mean", torch::zeros({config.latent_channels}));
  latent_std = register_buffer("latent_std", torch::ones({config.latent_channels}));
  to_channels_last(*this);
}

std::pair<at::Tensor, at::Tensor> VaeNetImpl::encode(const at::Tensor& pixels) {
  const std::vector<at::Tensor> halves = encoder_->forward(pixels).chunk(2, 1);
  return {halves[0] + linear_in_->forward(pixels), halves[1].clamp(-20, 4)};
}

at::Tensor VaeNetImpl::decode(const at::Tensor& latents) {
  return decoder_->forward(latents) + shuffle_pixels(linear_out_->forward(latents), downsample_);
}

}  // namespace mom::codecs
