#include "mom/nn/parameter.h"

#include <torch/types.h>

#include <cmath>
#include <utility>

namespace mom::nn {
namespace {

thread_local c10::Device parameter_device = torch::kCPU;
thread_local bool without_memory = false;

}  // namespace

Initialiser init_constant(double value) {
  return [value](at::Tensor& parameter, const at::Generator&) { parameter.fill_(value); };
}

Initialiser init_normal(double standard_deviation) {
  return [standard_deviation](at::Tensor& parameter, const at::Generator& generator) {
    parameter.normal_(0, standard_deviation, generator);
  };
}

Initialiser init_uniform(double low, double high) {
  return [low, high](at::Tensor& parameter, const at::Generator& generator) {
    parameter.uniform_(low, high, generator);
  };
}

Initialiser init_fan_in(int64_t fan_in) {
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return init_uniform(-bound, bound);
}

Initialiser init_residual(int64_t fan_in, int64_t num_blocks) {
  return [fan_in = init_fan_in(fan_in), num_blocks](at::Tensor& parameter, const at::Generator& generator) {
    fan_in(parameter, generator);
    parameter.div_(std::sqrt(static_cast<double>(num_blocks)));
  };
}

at::Tensor Module::add_parameter(const std::string& name, at::IntArrayRef sizes, ParameterTraits traits) {
  traits_[name] = std::move(traits);
  const auto options = torch::TensorOptions(torch::kFloat32).device(parameter_device);
  return register_parameter(
      name, without_memory ? torch::empty({1}, options).expand(sizes) : torch::empty(sizes, options));
}

void Module::belong_to(int64_t modality) {
  for (auto& [name, traits] : traits_) traits.modality = modality;
  for (const std::shared_ptr<torch::nn::Module>& child : children())
    if (auto* own = dynamic_cast<Module*>(child.get())) own->belong_to(modality);
}

std::vector<Parameter> parameters_of(const torch::nn::Module& root) {
  std::map<std::string, ParameterTraits> traits;
  auto collect = [&](const std::string& prefix, const torch::nn::Module& module) {
    if (const auto* own = dynamic_cast<const Module*>(&module))
      for (const auto& [name, each] : own->traits())
        traits.emplace(prefix.empty() ? name : prefix + "." + name, each);
  };
  collect("", root);
  for (const auto& module : root.named_modules("", /*include_self=*/false))
    collect(module.key(), *module.value());
  std::vector<Parameter> parameters;
  for (const auto& item : root.named_parameters()) {
    const auto found = traits.find(item.key());
    TORCH_INTERNAL_ASSERT(found != traits.end(), "parameter ", item.key(), " was added without traits");
    parameters.push_back({item.key(), item.value(), found->second});
  }
  return parameters;
}

WithoutMemory::WithoutMemory() : previous_(std::exchange(without_memory, true)) {}
WithoutMemory::~WithoutMemory() { without_memory = previous_; }

OnDevice::OnDevice(c10::Device device) : previous_(std::exchange(parameter_device, device)) {}
OnDevice::~OnDevice() { parameter_device = previous_; }

}  // namespace mom::nn
