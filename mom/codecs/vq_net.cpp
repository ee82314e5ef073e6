#include "mom/codecs/vq_net.h"

namespace mom::codecs {

VqNetImpl::VqNetImpl(const ImageVqConfig& config)
    : downsample_(config.downsample),
      side_(config.image_size / config.downsample),
      code_width_(config.code_width) {
  const ConvShape shape{config.downsample, config.base_channels, config.blocks};
  encoder_ = register_module("encoder", conv_encoder(shape, code_width_));
  decoder_ = register_module("decoder", conv_decoder(shape, code_width_));
  linear_in_ = register_module("linear_in", linear_encoder(downsample_, code_width_));
  linear_out_ = register_module("linear_out", linear_decoder(downsample_, code_width_));
  codebook_KE = register_buffer("codebook", torch::zeros({config.codebook_size, code_width_}));
  to_channels_last(*this);
}

at::Tensor VqNetImpl::encode(const at::Tensor& pixels) {
  const at::Tensor latents = encoder_->forward(pixels) + linear_in_->forward(pixels);
  return latents.permute({0, 2, 3, 1}).reshape({-1, code_width_});
}

at::Tensor VqNetImpl::decode(const at::Tensor& vectors_NE) {
  const at::Tensor latents = vectors_NE.view({-1, side_, side_, code_width_}).permute({0, 3, 1, 2});
  return decoder_->forward(latents) + shuffle_pixels(linear_out_->forward(latents), downsample_);
}

}  // namespace mom::codecs
