// The network of the speech codec. All its layers run at the code rate: the P mel frames of a code are one
// column of P x B numbers. N sounds, L codes, P frames per code, B mel bands, K codes, C their channels.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>

#include "mom/codecs/speech_codec.h"

namespace mom::codecs {

// x + pointwise(silu(conv(norm(x)))) over [N, channels, L]. The norm is over the channels of a position (root
// mean square), so that a position depends on its neighbours only as far as the convolution reaches.
class SpeechBlockImpl : public torch::nn::Module {
 public:
  SpeechBlockImpl(int64_t channels, int64_t dilation);
  at::Tensor forward(const at::Tensor& x);

 private:
  at::Tensor gain_;
  torch::nn::Conv1d conv_{nullptr}, pointwise_{nullptr};
};
TORCH_MODULE(SpeechBlock);

class SpeechNetImpl : public torch::nn::Module {
 public:
  // Positions left and right of a code that its value can depend on, in the encoder and in the decoder alike.
  static constexpr int64_t kReach = 17;

  explicit SpeechNetImpl(const SpeechConfig& config);
  // Log-mel [N, L * P, B] -> [N, C, L], before quantisation.
  at::Tensor encode(const at::Tensor& log_mel);
  // [N, C, L] -> log-mel [N, L * P, B].
  at::Tensor decode(const at::Tensor& latents);

  at::Tensor codes_KC;
  // Of log-mel over the training speech, [B]; and the mean length of runs of equal codes, [].
  at::Tensor mel_mean, mel_std, mean_run;

 private:
  torch::nn::Sequential encoder_, decoder_;
  int64_t frames_per_code_;
};
TORCH_MODULE(SpeechNet);

}  // namespace mom::codecs
