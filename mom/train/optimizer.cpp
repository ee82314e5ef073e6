#include "mom/train/optimizer.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>

#include <cmath>

#include "mom/base/error.h"

namespace mom::train {

double learning_rate_at(const TrainConfig& config, int64_t step) {
  if (step < config.warmup_steps)
    return config.learning_rate * static_cast<double>(step + 1) / static_cast<double>(config.warmup_steps);
  if (config.schedule == "wsd") {
    const int64_t stable = stable_until(config);
    if (step < stable) return config.learning_rate;
    const double done =
        std::min(1.0, static_cast<double>(step + 1 - stable) / static_cast<double>(config.steps - stable));
    return config.min_learning_rate +
           (config.learning_rate - config.min_learning_rate) * (1 - std::sqrt(done));
  }
  const int64_t span = std::max<int64_t>(1, config.steps - 1 - config.warmup_steps);
  const double progress =
      std::min(1.0, static_cast<double>(step - config.warmup_steps) / static_cast<double>(span));
  const double cosine = 0.5 * (1 + std::cos(progress * 3.14159265358979323846));
  return config.min_learning_rate + (config.learning_rate - config.min_learning_rate) * cosine;
}

AdamW::AdamW(models::ModelImpl& model, const TrainConfig& config) : config_(config), groups_(2) {
  groups_[0].weight_decay = config.weight_decay;
  for (const nn::Parameter& parameter : nn::parameters_of(model)) {
    Group& group = groups_[parameter.traits.decay ? 0 : 1];
    group.names.push_back(parameter.name);
    group.parameters.push_back(parameter.tensor);
    group.exp_avg.push_back(torch::zeros_like(parameter.tensor));
    group.exp_avg_sq.push_back(torch::zeros_like(parameter.tensor));
    group.steps.push_back(torch::zeros({}, torch::kFloat32));
  }
}

void AdamW::zero_grad() {
  for (Group& group : groups_)
    for (at::Tensor& parameter : group.parameters) parameter.mutable_grad() = at::Tensor();
}

double AdamW::gradient_norm() const {
  std::vector<at::Tensor> gradients;
  for (const Group& group : groups_)
    for (const at::Tensor& parameter : group.parameters)
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  return torch::stack(at::_foreach_norm(gradients, 2)).to(torch::kFloat64).norm().item<double>();
}

void AdamW::step(double learning_rate, double norm) {
  torch::NoGradGuard no_grad;
  // The fused kernel divides gradients by a scale as it reads them.
  std::optional<at::Tensor> scale;
  if (config_.clip_norm > 0 && norm > config_.clip_norm)
    scale = torch::scalar_tensor(norm / config_.clip_norm, torch::kFloat32);
  for (Group& group : groups_) {
    std::vector<at::Tensor> gradients;
    for (at::Tensor& parameter : group.parameters)  // a modality that a whole step did not see
      gradients.push_back(parameter.grad().defined() ? parameter.grad() : torch::zeros_like(parameter));
    for (at::Tensor& count : group.steps) count.add_(1);
    at::_fused_adamw_(group.parameters, gradients, group.exp_avg, group.exp_avg_sq, /*max_exp_avg_sqs=*/{},
                      group.steps, learning_rate, config_.beta1, config_.beta2, group.weight_decay,
                      config_.epsilon, /*amsgrad=*/false, /*maximize=*/false, scale);
  }
}

nn::NamedTensors AdamW::state() const {
  nn::NamedTensors tensors;
  for (const Group& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      tensors[group.names[i] + ".exp_avg"] = group.exp_avg[i];
      tensors[group.names[i] + ".exp_avg_sq"] = group.exp_avg_sq[i];
      tensors["step"] = group.steps[i];
    }
  }
  return tensors;
}

void AdamW::restore(const nn::NamedTensors& tensors, const Path& file) {
  torch::NoGradGuard no_grad;
  auto copy = [&](const std::string& name, at::Tensor& to) {
    auto found = tensors.find(name);
    if (found == tensors.end() || found->second.sizes() != to.sizes())
      throw InputError({file.string(), "optimizer state " + name,
                        found == tensors.end() ? "none" : "another shape",
                        "the checkpoint is of another model"});
    to.copy_(found->second);
  };
  for (Group& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      copy(group.names[i] + ".exp_avg", group.exp_avg[i]);
      copy(group.names[i] + ".exp_avg_sq", group.exp_avg_sq[i]);
      copy("step", group.steps[i]);
    }
  }
}

}  // namespace mom::train
