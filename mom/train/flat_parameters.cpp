#include "mom/train/flat_parameters.h"

#include <torch/types.h>

#include <algorithm>
#include <map>

#include "mom/base/rounding.h"

namespace mom::train {
namespace {

constexpr int64_t kAlign = 16;  // f32 in a cache line, and in the longest vector

// The block of each weight in one; the number of blocks for those behind them.
std::map<const void*, int64_t> blocks_of(const models::ModelImpl& model) {
  std::map<const void*, int64_t> blocks;
  for (size_t i = 0; i < model.blocks().size(); ++i)
    for (const at::Tensor& parameter : model.blocks()[i]->parameters())
      blocks[parameter.unsafeGetTensorImpl()] = static_cast<int64_t>(i);
  for (const at::Tensor& parameter : model.head_parameters())
    blocks[parameter.unsafeGetTensorImpl()] = static_cast<int64_t>(model.blocks().size());
  return blocks;
}

}  // namespace

int64_t FlatParameters::length_of(models::ModelImpl& model) {
  int64_t length = 0;
  for (const nn::Parameter& parameter : nn::parameters_of(model))
    length += round_up(parameter.tensor.numel(), kAlign);
  return length;
}

int64_t FlatParameters::edge_of(models::ModelImpl& model) {
  int64_t length = 0;
  const std::map<const void*, int64_t> blocks = blocks_of(model);
  for (const nn::Parameter& parameter : nn::parameters_of(model)) {
    const auto block = blocks.find(parameter.tensor.unsafeGetTensorImpl());
    if (!parameter.traits.decay || block == blocks.end() || block->second == 0)
      length += round_up(parameter.tensor.numel(), kAlign);
  }
  return length;
}

FlatParameters::FlatParameters(models::Model model, int64_t padded) {
  int64_t length = 0;
  const auto add = [&](const nn::Parameter& parameter) {
    names_.push_back(parameter.name);
    begins_.push_back(length);
    shapes_.push_back(parameter.tensor.sizes().vec());
    const Range range{length, round_up(parameter.tensor.numel(), kAlign)};
    length += range.length;
    if (!parameter.traits.factor) return;
    if (!factors_.empty() && factors_.back().begin + factors_.back().length == range.begin)
      factors_.back().length += range.length;
    else
      factors_.push_back(range);
  };
  std::map<int64_t, std::vector<nn::Parameter>> decaying;  // by block; -1: of none
  const std::map<const void*, int64_t> blocks = blocks_of(*model);
  for (const nn::Parameter& parameter : nn::parameters_of(*model)) {
    const auto block = blocks.find(parameter.tensor.unsafeGetTensorImpl());
    if (parameter.traits.decay)
      decaying[block == blocks.end() ? -1 : block->second].push_back(parameter);
    else
      add(parameter);
  }
  decay_begin_ = length;
  for (const nn::Parameter& parameter : decaying[-1]) add(parameter);
  for (size_t block = 0; block <= model->blocks().size(); ++block) {
    block_begins_.push_back(length);
    for (const nn::Parameter& parameter : decaying[static_cast<int64_t>(block)]) add(parameter);
  }
  block_begins_.push_back(length);
  values_ = row_of_zeros(std::max(length, padded), model->device());
  torch::NoGradGuard no_grad;
  const std::vector<at::Tensor> of_model = parameters_of(*model), here = views(values_);
  for (size_t i = 0; i < here.size(); ++i)
    if (of_model[i].is_contiguous()) here[i].copy_(of_model[i]);
  share_with(model);
}

at::Tensor FlatParameters::zeros() const { return row_of_zeros(length(), device()); }

Range FlatParameters::range_of(size_t name) const {
  return {begins_[name], c10::multiply_integers(shapes_[name])};
}

Range FlatParameters::range_of(const at::Tensor& weight) const {
  return {weight.const_data_ptr<float>() - values_.const_data_ptr<float>(), weight.numel()};
}

std::vector<at::Tensor> FlatParameters::views(const at::Tensor& flat) const {
  std::vector<at::Tensor> views;
  for (size_t i = 0; i < names_.size(); ++i)
    views.push_back(flat.narrow(0, begins_[i], range_of(i).length).view(shapes_[i]));
  return views;
}

std::vector<at::Tensor> FlatParameters::parameters_of(models::ModelImpl& model) const {
  std::map<std::string, at::Tensor> by_name;
  for (const nn::Parameter& parameter : nn::parameters_of(model)) by_name[parameter.name] = parameter.tensor;
  std::vector<at::Tensor> parameters;
  for (const std::string& name : names_) parameters.push_back(by_name.at(name));
  return parameters;
}

void FlatParameters::share_with(models::Model replica) {
  members_.push_back({replica, parameters_of(*replica)});
  show(values_);
}

void FlatParameters::show(const at::Tensor& flat) {
  const std::vector<at::Tensor> weights = views(flat);
  for (Member& member : members_)
    for (size_t i = 0; i < weights.size(); ++i) member.parameters[i].set_data(weights[i]);
}

void FlatParameters::freeze(const std::set<std::string>& names) {
  for (Member& member : members_)
    for (size_t i = 0; i < names_.size(); ++i)
      if (names.contains(names_[i])) member.parameters[i].set_requires_grad(false);
}

void FlatParameters::collect_gradients(models::ModelImpl& model, const at::Tensor& flat) const {
  const std::vector<at::Tensor> gradients = views(flat);
  const auto member = std::find_if(members_.begin(), members_.end(),
                                   [&](const Member& each) { return each.model.get() == &model; });
  TORCH_CHECK(member != members_.end(), "[FlatParameters] expected a model that shares the weights");
  for (size_t i = 0; i < gradients.size(); ++i) member->parameters[i].mutable_grad() = gradients[i];
}

}  // namespace mom::train
