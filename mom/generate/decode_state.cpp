#include "mom/generate/decode_state.h"

#include <torch/types.h>

namespace mom::generate {
namespace {

bool is_identity(const std::vector<int64_t>& sequences, int64_t num_sequences) {
  if (static_cast<int64_t>(sequences.size()) != num_sequences) return false;
  for (size_t i = 0; i < sequences.size(); ++i)
    if (sequences[i] != static_cast<int64_t>(i)) return false;
  return true;
}

template <class T>
std::vector<T> pick(const std::vector<T>& from, const std::vector<int64_t>& indices) {
  if (from.empty()) return {};
  std::vector<T> picked;
  for (const int64_t index : indices) picked.push_back(from[static_cast<size_t>(index)]);
  return picked;
}

template <class T>
void put(std::vector<T>& to, const std::vector<int64_t>& indices, const std::vector<T>& from) {
  for (size_t i = 0; i < from.size(); ++i) to[static_cast<size_t>(indices[i])] = from[i];
}

at::Tensor with_rows(const at::Tensor& to, const at::Tensor& indices, const at::Tensor& from) {
  return to.defined() ? to.index_copy(0, indices.to(to.device()), from) : at::Tensor();
}

}  // namespace

int64_t DecodeState::num_bytes() const {
  size_t bytes = model.hidden_SE.defined() ? model.hidden_SE.nbytes() : 0;
  for (const nn::MixerState& block : model.blocks) {
    for (const at::Tensor& tensor : {block.conv_SDK, block.recurrent_SDN, block.normed_SE})
      if (tensor.defined()) bytes += tensor.nbytes();
    for (const auto* list : {&block.keys, &block.values})
      for (const at::Tensor& tensor : *list) bytes += tensor.nbytes();
  }
  return static_cast<int64_t>(bytes);
}

DecodeState DecodeState::select(const std::vector<int64_t>& sequences) const {
  if (is_identity(sequences, num_sequences())) return *this;
  const at::Tensor rows = torch::tensor(sequences, torch::kInt64);
  auto take = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.index_select(0, rows.to(tensor.device())) : at::Tensor();
  };
  DecodeState selected;
  selected.model.num_tokens_S = pick(model.num_tokens_S, sequences);
  selected.model.hidden_SE = take(model.hidden_SE);
  for (const nn::MixerState& block : model.blocks)
    selected.model.blocks.push_back({take(block.conv_SDK), take(block.recurrent_SDN),
                                     pick(block.keys, sequences), pick(block.values, sequences),
                                     take(block.normed_SE)});
  return selected;
}

DecodeState DecodeState::take(const std::vector<int64_t>& sequences) {
  if (!is_identity(sequences, num_sequences())) return select(sequences);
  DecodeState taken;
  taken.model.num_tokens_S = model.num_tokens_S;
  taken.model.blocks.swap(model.blocks);
  std::swap(taken.model.hidden_SE, model.hidden_SE);
  return taken;
}

void DecodeState::replace(const std::vector<int64_t>& sequences, DecodeState by) {
  if (is_identity(sequences, num_sequences())) {
    *this = std::move(by);
    return;
  }
  const at::Tensor rows = torch::tensor(sequences, torch::kInt64);
  put(model.num_tokens_S, sequences, by.model.num_tokens_S);
  model.hidden_SE = with_rows(model.hidden_SE, rows, by.model.hidden_SE);
  for (size_t b = 0; b < model.blocks.size(); ++b) {
    nn::MixerState& block = model.blocks[b];
    const nn::MixerState& other = by.model.blocks[b];
    block.conv_SDK = with_rows(block.conv_SDK, rows, other.conv_SDK);
    block.recurrent_SDN = with_rows(block.recurrent_SDN, rows, other.recurrent_SDN);
    block.normed_SE = with_rows(block.normed_SE, rows, other.normed_SE);
    put(block.keys, sequences, other.keys);
    put(block.values, sequences, other.values);
  }
}

void DecodeState::append(const DecodeState& other) {
  if (num_sequences() == 0) {
    *this = other;
    return;
  }
  auto join = [](at::Tensor& to, const at::Tensor& from) {
    if (to.defined()) to = torch::cat({to, from});
  };
  auto extend = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  extend(model.num_tokens_S, other.model.num_tokens_S);
  join(model.hidden_SE, other.model.hidden_SE);
  for (size_t b = 0; b < model.blocks.size(); ++b) {
    nn::MixerState& block = model.blocks[b];
    const nn::MixerState& more = other.model.blocks[b];
    join(block.conv_SDK, more.conv_SDK);
    join(block.recurrent_SDN, more.recurrent_SDN);
    join(block.normed_SE, more.normed_SE);
    extend(block.keys, more.keys);
    extend(block.values, more.values);
  }
}

// What has not been seen yet counts as zeros (nn/item_condition.h), which are stacked as all else.
DecodeState initial_state(const models::ModelImpl& model, int64_t num_sequences) {
  DecodeState state{model.initial_state(num_sequences)};
  const models::ModelSpec& spec = model.spec();
  const at::Tensor zeros_SE =
      torch::zeros({num_sequences, spec.d_model}, torch::TensorOptions().device(model.device()));
  if (spec.tells_convolutions()) state.model.hidden_SE = zeros_SE;
  for (nn::MixerState& block : state.model.blocks)
    if (spec.adaptive_norm) block.normed_SE = zeros_SE;
  return state;
}

}  // namespace mom::generate
