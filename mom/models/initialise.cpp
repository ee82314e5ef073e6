// Initial weights: REFERENCE section 1 (mamba-ssm's rules, a modality's copies independent of each other).
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "mom/base/random.h"
#include "mom/models/model.h"

namespace mom::models {
namespace {

// The step sizes the dt bias starts at: log-uniform in [1e-3, 1e-1].
constexpr double kStepMin = 1e-3, kStepMax = 1e-1, kStepFloor = 1e-4;

bool contains(const std::string& name, std::string_view part) { return name.find(part) != std::string::npos; }

void initialise_dt_bias(at::Tensor& bias, const at::Generator& generator) {
  bias.uniform_(0, 1, generator)
      .mul_(std::log(kStepMax) - std::log(kStepMin))
      .add_(std::log(kStepMin))
      .exp_()
      .clamp_min_(kStepFloor);
  bias.copy_(bias + torch::log(-torch::expm1(-bias)));  // the inverse of softplus
}

void initialise_parameter(const std::string& name, at::Tensor& parameter, const ModelSpec& spec,
                          const at::Generator& generator) {
  if (name.ends_with("norm.weight") || name.ends_with("norm_f.weight") || name.ends_with(".D")) {
    parameter.fill_(1);
  } else if (name.ends_with(".A_log")) {
    parameter.copy_(torch::arange(1, spec.state_size + 1, torch::kFloat32).log().expand_as(parameter));
  } else if (contains(name, "embeddings.")) {
    parameter.normal_(0, 0.02, generator);
  } else if (contains(name, ".dt_proj.") && name.ends_with(".bias")) {
    initialise_dt_bias(parameter, generator);
  } else if (contains(name, ".dt_proj.")) {
    const double bound = 1 / std::sqrt(static_cast<double>(spec.time_step_rank));
    parameter.uniform_(-bound, bound, generator);
  } else if (name == "patch_out.weight" || name == "patch_out.bias") {
    parameter.zero_();  // the first noise prediction is 0: the loss starts at 1, the variance of the noise
  } else if (contains(name, "_proj.") && name.ends_with(".bias")) {
    parameter.zero_();
  } else {  // linear and convolution: Kaiming-uniform with a = sqrt(5), i.e. +-1 / sqrt(fan in), weight and
            // bias
    int64_t fan_in = parameter.dim() > 1 ? parameter.numel() / parameter.size(0) : 0;
    if (contains(name, "conv1d.")) fan_in = spec.conv_kernel;
    if (name == "patch_in.bias") fan_in = spec.patch_width();
    if (name == "timestep_in.bias") fan_in = kTimestepFeatures;
    if (name == "timestep_out.bias") fan_in = spec.hidden_size;
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    parameter.uniform_(-bound, bound, generator);
    if (contains(name, ".out_proj.")) parameter.div_(std::sqrt(static_cast<double>(spec.num_blocks)));
  }
}

}  // namespace

void initialise(ModelImpl& model, uint64_t seed) {
  torch::NoGradGuard no_grad;
  for (auto& item : model.named_parameters()) {
    const uint64_t key = stream_key({seed, fnv1a64("initialise"), fnv1a64(item.key())});
    initialise_parameter(item.key(), item.value(), model.spec(),
                         at::make_generator<at::CPUGeneratorImpl>(key));
  }
}

}  // namespace mom::models
