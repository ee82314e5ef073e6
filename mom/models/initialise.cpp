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

// Frequencies of the state slots: S4D-Lin pi n, S4D-Inv (N / pi) (N / (2 n + 1) - 1) (arXiv 2206.11893).
void initialise_frequencies(at::Tensor& A_imag, const ModelSpec& spec) {
  const double pi = 3.14159265358979323846, n = static_cast<double>(spec.state_size);
  const at::Tensor slot = torch::arange(A_imag.size(1), torch::kFloat64);
  A_imag.copy_(
      (spec.ssm_init == "s4d_inv" ? n / pi * (n / (2 * slot + 1) - 1) : pi * slot).expand_as(A_imag));
}

// A state-space model of fixed matrices; true when the parameter is one of it.
bool initialise_ssm(const std::string& name, at::Tensor& parameter, const ModelSpec& spec,
                    const at::Generator& generator) {
  if (name.ends_with(".log_dt")) {
    parameter.uniform_(std::log(kStepMin), std::log(kStepMax), generator);
  } else if (name.ends_with(".A_imag")) {
    initialise_frequencies(parameter, spec);
  } else if (name.ends_with(".A_log") && spec.has_mixer("ssm")) {
    parameter.fill_(std::log(0.5));
  } else if (name.ends_with(".C")) {
    parameter.normal_(0, std::sqrt(0.5), generator);  // complex of variance 1
  } else {
    return false;
  }
  return true;
}

void initialise_parameter(const std::string& name, at::Tensor& parameter, const ModelSpec& spec,
                          const at::Generator& generator) {
  if (ModelImpl::is_norm(name) || name.ends_with(".D")) {
    parameter.fill_(1);
  } else if (initialise_ssm(name, parameter, spec, generator)) {
    return;
  } else if (contains(name, ".router.")) {
    // A tenth of the usual variance keeps the first choices close to even (Switch, arXiv 2101.03961).
    parameter.normal_(0, std::sqrt(0.1 / static_cast<double>(spec.hidden_size)), generator);
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
    if (name == "patch_in.bias") fan_in = spec.latents()->patch_width();
    if (name == "timestep_in.bias") fan_in = kTimestepFeatures;
    if (name == "timestep_out.bias") fan_in = spec.hidden_size;
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    parameter.uniform_(-bound, bound, generator);
    if (contains(name, ".out_proj.") || contains(name, ".o_proj.") || contains(name, ".down_proj."))
      parameter.div_(std::sqrt(static_cast<double>(spec.num_blocks)));
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
