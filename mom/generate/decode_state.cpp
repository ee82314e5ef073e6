#include "mom/generate/decode_state.h"

#include <torch/torch.h>

#include <functional>

#include "mom/base/error.h"
#include "mom/nn/tensor_io.h"

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
  return to.defined() ? to.index_copy(0, indices, from) : at::Tensor();
}

}  // namespace

int64_t DecodeState::num_bytes() const {
  size_t bytes = 0;
  for (const nn::MixerState& block : model.blocks) {
    for (const at::Tensor& tensor : {block.conv_SDK, block.recurrent_SDN})
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
    return tensor.defined() ? tensor.index_select(0, rows) : at::Tensor();
  };
  DecodeState selected;
  selected.model.num_tokens_S = pick(model.num_tokens_S, sequences);
  for (const nn::MixerState& block : model.blocks)
    selected.model.blocks.push_back({take(block.conv_SDK), take(block.recurrent_SDN),
                                     pick(block.keys, sequences), pick(block.values, sequences)});
  return selected;
}

void DecodeState::replace(const std::vector<int64_t>& sequences, const DecodeState& by) {
  if (is_identity(sequences, num_sequences())) {
    *this = by;
    return;
  }
  const at::Tensor rows = torch::tensor(sequences, torch::kInt64);
  put(model.num_tokens_S, sequences, by.model.num_tokens_S);
  for (size_t b = 0; b < model.blocks.size(); ++b) {
    nn::MixerState& block = model.blocks[b];
    const nn::MixerState& other = by.model.blocks[b];
    block.conv_SDK = with_rows(block.conv_SDK, rows, other.conv_SDK);
    block.recurrent_SDN = with_rows(block.recurrent_SDN, rows, other.recurrent_SDN);
    put(block.keys, sequences, other.keys);
    put(block.values, sequences, other.values);
  }
}

DecodeState initial_state(const models::ModelImpl& model, int64_t num_sequences) {
  return {model.initial_state(num_sequences)};
}

namespace {

// Visits every tensor of a state with its name on disk.
void for_each_tensor(models::ModelState& state,
                     const std::function<void(const std::string& name, at::Tensor&)>& visit) {
  for (size_t b = 0; b < state.blocks.size(); ++b) {
    nn::MixerState& block = state.blocks[b];
    const std::string prefix = "blocks." + std::to_string(b) + ".";
    if (block.conv_SDK.defined()) visit(prefix + "conv", block.conv_SDK);
    if (block.recurrent_SDN.defined()) visit(prefix + "recurrent", block.recurrent_SDN);
    for (size_t s = 0; s < block.keys.size(); ++s) {
      visit(prefix + "keys." + std::to_string(s), block.keys[s]);
      visit(prefix + "values." + std::to_string(s), block.values[s]);
    }
  }
}

constexpr int64_t kMaxSequences = 65536;

// The shape a stored tensor must have: that of the empty state, with as many keys as tokens were seen.
std::vector<int64_t> stored_shape(const at::Tensor& empty, bool cache, int64_t num_tokens) {
  std::vector<int64_t> shape = empty.sizes().vec();
  if (cache) shape[0] = num_tokens;
  if (empty.is_complex()) shape.push_back(2);
  return shape;
}

}  // namespace

void save_state(const Path& path, const DecodeState& state) {
  models::ModelState copy = state.model;
  nn::NamedTensors tensors{{"num_tokens", torch::tensor(copy.num_tokens_S, torch::kInt64)}};
  for_each_tensor(copy, [&](const std::string& name, const at::Tensor& tensor) {
    tensors[name] = (tensor.is_complex() ? torch::view_as_real(tensor) : tensor).contiguous();
  });
  publish_with(path, [&](const Path& aside) { nn::write_tensors(aside, tensors); });
}

DecodeState load_state(const Path& path, const models::ModelImpl& model) {
  nn::NamedTensors tensors = nn::load_tensors(path);
  const at::Tensor num_tokens = tensors["num_tokens"];
  if (!num_tokens.defined() || num_tokens.scalar_type() != at::kLong || num_tokens.dim() != 1 ||
      num_tokens.size(0) > kMaxSequences || (num_tokens < 0).any().item<bool>())
    throw InputError({path.string(), "a decode state with num_tokens", "another file", ""});
  DecodeState state = initial_state(model, num_tokens.size(0));
  const int64_t* counts = num_tokens.const_data_ptr<int64_t>();
  state.model.num_tokens_S.assign(counts, counts + num_tokens.size(0));
  size_t num_found = 1;
  for_each_tensor(state.model, [&](const std::string& name, at::Tensor& tensor) {
    const bool cache = name.find(".conv") == std::string::npos && name.find(".rec") == std::string::npos;
    const int64_t sequence = cache ? std::stoll(name.substr(name.rfind('.') + 1)) : 0;
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.scalar_type() != at::kFloat ||
        found->second.sizes() != stored_shape(tensor, cache, cache ? counts[sequence] : 0))
      throw InputError({path.string() + ": " + name, "a tensor that fits this model", "none", ""});
    tensor = tensor.is_complex() ? torch::view_as_complex(found->second) : found->second;
    ++num_found;
  });
  if (num_found != tensors.size())
    throw InputError({path.string(), std::to_string(num_found) + " tensors, as this model has",
                      std::to_string(tensors.size()), ""});
  return state;
}

}  // namespace mom::generate
