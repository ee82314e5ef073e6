// Parameters that say who they are: each is added with its initial distribution, whether it takes weight decay, and
// who passes through it. Counts, optimizer, initialisation, quantisation and decoding read this; nothing is inferred
// from a parameter's name.
//
// A network is built on the device that computes with it, or on the meta device to be counted: shapes without memory.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace mom::nn {

// Fills a parameter from a generator that is the parameter's own.
using Initialiser = std::function<void(at::Tensor&, const at::Generator&)>;
Initialiser init_constant(double value);
Initialiser init_normal(double standard_deviation);
Initialiser init_uniform(double low, double high);
// Kaiming-uniform with a = sqrt(5): within +-1 / sqrt(fan_in).
Initialiser init_fan_in(int64_t fan_in);
// The same over sqrt(num_blocks): for projections back into the residual stream, one per block.
Initialiser init_residual(int64_t fan_in, int64_t num_blocks);

enum class Part {
  kBlocks,         // norms and mixers: every token passes
  kTokenTable,     // a row per token id: embeddings and the language-model head; latents do not pass
  kLatentAdapter,  // into and out of the network for latents alone
};

struct ParameterTraits {
  Initialiser init;
  bool decay = true;  // weight decay
  Part part = Part::kBlocks;
  int64_t modality = -1;  // the one whose tokens alone pass it; -1: every modality's
  double share = 1;       // of its numbers that one token uses (an expert's: chosen experts / experts)
  // Read by one product alone, rounded to the type of the computing (models/model.h, Compute), and its gradient is that product's
  // and so rounded.
  bool factor = false;
};

// A module whose parameters have traits. All modules of ours with parameters derive from it.
class Module : public torch::nn::Module {
 public:
  // f32, not initialised.
  at::Tensor add_parameter(const std::string& name, at::IntArrayRef sizes, ParameterTraits traits);
  const std::map<std::string, ParameterTraits>& traits() const { return traits_; }
  // That the tokens of one modality alone pass its parameters, and those of the modules below it.
  void belong_to(int64_t modality);

 private:
  std::map<std::string, ParameterTraits> traits_;
};

struct Parameter {
  std::string name;  // full, with dots
  at::Tensor tensor;
  ParameterTraits traits;
};
// All parameters below `root`, in the order of named_parameters(). Every one must have been added by add_parameter.
std::vector<Parameter> parameters_of(const torch::nn::Module& root);

// While it lives, parameters this thread adds are on a device; on the meta device (at::kMeta) without memory.
class OnDevice {
 public:
  explicit OnDevice(c10::Device device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  c10::Device previous_;
};

// While it lives, parameters this thread adds have their shape and no memory of their own, which something else gives them
// before they are used (set_data): on the device of OnDevice. They must not be read or written before.
class WithoutMemory {
 public:
  WithoutMemory();
  ~WithoutMemory();
  WithoutMemory(const WithoutMemory&) = delete;
  WithoutMemory& operator=(const WithoutMemory&) = delete;

 private:
  bool previous_;
};

// A module without anything of its own: it gives the names of what is in it their next part, as in
// in_proj.image.weight.
struct NameScopeImpl : Module {};
TORCH_MODULE(NameScope);

}  // namespace mom::nn
