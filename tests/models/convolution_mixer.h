// A mixer that the program does not have: projections around a causal convolution. It is all in this file and
// registered by one line each for mixer and backbone, so that every test of every backbone runs over it, too: packing,
// causality, step by step, files, counts, a copy task in each setting.
#pragma once

#include "mom/config/schema.h"
#include "mom/models/backbones.h"
#include "mom/nn/causal_conv.h"
#include "mom/nn/mixer.h"
#include "mom/nn/modality_linear.h"

namespace mom::test {

struct ConvolutionConfig : nn::MixerConfigOf<ConvolutionConfig, class ConvolutionMixer> {
  static constexpr const char* kKind = "convolution";
  int64_t taps = 4, inner = 0;  // 0: 2 d_model
  void describe(config::Table& table) override {
    table.field("taps", taps, "positions seen").range(1, 8).stored_as("convolution_taps");
    table.field("convolution_width", inner, "channels; 0: 2 d_model").range(0, config::kMaxWidth);
  }
  void resolve(int64_t d_model) override {
    if (inner == 0) inner = 2 * d_model;
  }
  std::string problem(int64_t) const override {
    return inner % 2 ? "convolution_width: expected an even number" : "";
  }
};

class ConvolutionMixer : public nn::Mixer {
 public:
  ConvolutionMixer(const ConvolutionConfig& config, const nn::Trunk& trunk)
      : config_(config), d_model_(trunk.d_model) {
    in_ = register_module(
        "in_proj", nn::ModalityLinear(nn::projection_options(trunk, "in_proj", d_model_, config.inner)));
    conv_ = register_module("conv1d", nn::CausalConv(config.inner, config.taps, /*with_bias=*/true));
    out_ = register_module(
        "out_proj", nn::ModalityLinear(nn::residual_options(trunk, "out_proj", config.inner, d_model_)));
  }
  at::Tensor forward(const at::Tensor& x_TE, const nn::BlockContext& context,
                     nn::MixerState* state) override {
    const nn::Routing& routing = context.routing;
    return out_->forward(conv_->forward(in_->forward(x_TE, routing), routing, context, state), routing);
  }
  nn::MixerCosts costs() const override {
    const double e = static_cast<double>(d_model_), d = static_cast<double>(config_.inner);
    nn::MixerCosts costs;
    costs.gemm = 2 * 2 * e * d;
    costs.conv = 2 * static_cast<double>(config_.taps) * d;
    costs.state_bytes = 4 * config_.inner * (config_.taps - 1);
    costs.kept = costs.passing = 2 * d;
    return costs;
  }
  nn::MixerState initial_state(int64_t num_sequences) const override {
    return {torch::zeros({num_sequences, config_.inner, config_.taps - 1}), {}, {}, {}};
  }

 private:
  ConvolutionConfig config_;
  int64_t d_model_;
  nn::ModalityLinear in_{nullptr}, out_{nullptr};
  nn::CausalConv conv_{nullptr};
};

// Names that the tests of every backbone may use in the same program: registered once, before they are asked for.
inline const bool convolution_is_registered = [] {
  nn::register_mixer(nn::mixer_kind<ConvolutionConfig>());
  models::register_backbone(
      {"convolution", {"convolution", "convolution"}, {"in_proj", "out_proj"}, false, "a test"});
  return true;
}();

}  // namespace mom::test
