#include "mom/codecs/speech_net.h"

#include <torch/nn/init.h>

#include <array>

#include "mom/codecs/mel.h"

namespace mom::codecs {
namespace {

constexpr std::array<int64_t, 5> kDilations = {1, 2, 4, 8, 1};  // with the first convolution: kReach = 17

torch::nn::Conv1d conv1d(int64_t in, int64_t out, int64_t taps, int64_t dilation = 1) {
  return torch::nn::Conv1d(
      torch::nn::Conv1dOptions(in, out, taps).dilation(dilation).padding(taps / 2 * dilation));
}

torch::nn::Sequential make_tower(int64_t in, int64_t width, int64_t out) {
  torch::nn::Sequential tower;
  tower->push_back(conv1d(in, width, 3));
  for (const int64_t dilation : kDilations) tower->push_back(SpeechBlock(width, dilation));
  tower->push_back(conv1d(width, out, 1));
  return tower;
}

}  // namespace

SpeechBlockImpl::SpeechBlockImpl(int64_t channels, int64_t dilation) {
  gain_ = register_parameter("gain", torch::ones({channels, 1}));
  conv_ = register_module("conv", conv1d(channels, channels, 3, dilation));
  pointwise_ = register_module("pointwise", conv1d(channels, channels, 1));
  torch::nn::init::zeros_(pointwise_->weight);
}

at::Tensor SpeechBlockImpl::forward(const at::Tensor& x) {
  const at::Tensor scale = torch::rsqrt(x.square().mean(1, /*keepdim=*/true) + 1e-5);
  return x + pointwise_->forward(torch::silu(conv_->forward(x * scale * gain_)));
}

SpeechNetImpl::SpeechNetImpl(const SpeechConfig& config) : frames_per_code_(config.frames_per_code()) {
  const int64_t column = frames_per_code_ * kMelBands;
  encoder_ = register_module("encoder", make_tower(column, config.width, config.code_channels));
  decoder_ = register_module("decoder", make_tower(config.code_channels, config.width, column));
  codes_KC = register_buffer("codes", torch::zeros({config.codebook_size, config.code_channels}));
  mel_mean = register_buffer("mel_mean", torch::zeros({kMelBands}));
  mel_std = register_buffer("mel_std", torch::ones({kMelBands}));
  mean_run = register_buffer("mean_run", torch::ones({}));
}

at::Tensor SpeechNetImpl::encode(const at::Tensor& log_mel) {
  const int64_t N = log_mel.size(0), L = log_mel.size(1) / frames_per_code_;
  const at::Tensor columns = ((log_mel - mel_mean) / mel_std).reshape({N, L, frames_per_code_ * kMelBands});
  return encoder_->forward(columns.transpose(1, 2).contiguous());
}

at::Tensor SpeechNetImpl::decode(const at::Tensor& latents) {
  const int64_t N = latents.size(0), L = latents.size(2);
  const at::Tensor columns = decoder_->forward(latents).transpose(1, 2);
  return columns.reshape({N, L * frames_per_code_, kMelBands}) * mel_std + mel_mean;
}

}  // namespace mom::codecs
