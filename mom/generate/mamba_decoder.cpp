#include "mom/generate/mamba_decoder.h"

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>

#include "mom/base/error.h"
#include "mom/kernels/rms_norm.h"
#include "mom/ops/huge_pages.h"
#include "mom/ops/parallel.h"

namespace mom::generate {
namespace {

using kernels::WeightType;
using nn::DecodeRows;

// Room for every parameter in `type`, where that is not f32.
int64_t bytes_in(models::ModelImpl& model, WeightType type) {
  if (type == WeightType::kF32) return 0;
  constexpr int64_t kBytes[] = {4, 2, 1};
  int64_t bytes = 0;
  for (const at::Tensor& parameter : model.parameters()) {
    const int64_t columns = std::max<int64_t>(1, parameter.dim() > 0 ? parameter.size(-1) : 1);
    bytes += ops::HugePages::rounded(kernels::packed_elements(parameter.numel() / columns, columns, type) *
                                     kBytes[static_cast<int>(type)]);
  }
  return bytes;
}

// Dense and nobody else's.
bool is_own(const at::Tensor& tensor) {
  return tensor.is_contiguous() && tensor.use_count() == 1 && tensor.storage().use_count() == 1;
}

// [S, width] floats.
class OwnRows {
 public:
  OwnRows(size_t num_rows, int64_t width) : width_(width), values_(num_rows * static_cast<size_t>(width)) {}
  DecodeRows view() { return {values_.data(), width_}; }
  // As a tensor: `tensor` itself where it has room and nobody else has it.
  at::Tensor copied_to(at::Tensor tensor) const {
    const std::vector<int64_t> sizes{std::ssize(values_) / width_, width_};
    if (!tensor.defined() || tensor.sizes() != sizes || !is_own(tensor)) tensor = torch::empty(sizes);
    std::copy(values_.begin(), values_.end(), tensor.mutable_data_ptr<float>());
    return tensor;
  }

 private:
  int64_t width_;
  std::vector<float> values_;
};

at::Tensor own(at::Tensor tensor) { return is_own(tensor) ? tensor : tensor.contiguous().clone(); }

nn::DecodeBatch batch_of(const models::ModelSpec& spec, const std::vector<int32_t>& tokens_S,
                         const std::vector<int64_t>& seen_S) {
  const auto num_sets = static_cast<int64_t>(spec.modalities.size());
  std::vector<int64_t> modality_S, set_S;
  for (size_t s = 0; s < tokens_S.size(); ++s) {
    modality_S.push_back(spec.vocabulary.empty() ? 0 : spec.vocabulary.modality_of(tokens_S[s]));
    set_S.push_back(spec.has_random_sets() ? nn::random_set(seen_S[s], num_sets) : modality_S.back());
  }
  return {std::move(modality_S), set_S, num_sets};
}

std::vector<at::Tensor> dense(const std::vector<at::Tensor>& weights) {
  std::vector<at::Tensor> result;
  for (const at::Tensor& weight : weights) result.push_back(weight.detach().contiguous());
  return result;
}

}  // namespace

struct MambaDecoder::Network {
  struct Block {
    std::vector<at::Tensor> norm_ME;  // one, or one per modality
    std::unique_ptr<nn::DecodeStep> step;
  };
  WeightType type = WeightType::kF32;
  int64_t E = 0, V = 0;
  float epsilon = 0;
  std::vector<Block> blocks;
  std::vector<at::Tensor> norm_ME;
  at::Tensor embeddings_VE;  // f32, of which each token's row is rounded
  nn::PackedMatrix head;
};

namespace {

// On one thread: handing it out would cost more.
void add_and_norm(const std::vector<at::Tensor>& weight_ME, float epsilon, const nn::DecodeBatch& batch,
                  DecodeRows branch, DecodeRows residual, DecodeRows normed) {
  for (const size_t s : batch.all) {
    const size_t m = weight_ME.size() == 1 ? 0 : static_cast<size_t>(batch.modality_S[s]);
    float scale = 0;
    kernels::add_rms_norm_forward({.num_rows = 1,
                                   .width = branch.width,
                                   .x = {branch.row(s), branch.width},
                                   .residual = {residual.row(s), branch.width},
                                   .weight = weight_ME[m].const_data_ptr<float>(),
                                   .epsilon = epsilon},
                                  {normed.row(s), branch.width}, {residual.row(s), branch.width}, &scale,
                                  kernels::serial_for);
  }
}

}  // namespace

bool MambaDecoder::supports(const models::ModelImpl& model) {
  const auto& blocks = model.blocks();
  return !blocks.empty() && model.device().is_cpu() &&
         std::all_of(blocks.begin(), blocks.end(),
                     [](const nn::Block& block) { return block->mixer->has_decode_step(); });
}

MambaDecoder::MambaDecoder(models::Model model, WeightType weights, const ops::PackedWeights& panels)
    : model_(std::move(model)), network_(std::make_unique<Network>()) {
  const models::ModelSpec& spec = model_->spec();
  if (!supports(*model_))
    throw UserError(
        {"weights", "float32 for backbones with blocks that have no decode step", spec.backbone, ""});
  const torch::NoGradGuard no_grad;
  ops::HugePages memory(bytes_in(*model_, weights));
  nn::WeightPacker packer(weights, memory, panels);
  Network& net = *network_;
  net.type = weights;
  net.E = spec.d_model, net.V = spec.vocab_size;
  net.epsilon = static_cast<float>(spec.norm_epsilon);
  for (const nn::Block& block : model_->blocks())
    net.blocks.push_back({dense(block->norm->weights()), block->mixer->decode_step(packer)});
  net.norm_ME = dense(model_->norm_weights());
  net.embeddings_VE = model_->embeddings().detach().contiguous();
  net.head = packer.matrix(spec.tie_word_embeddings ? model_->embeddings() : model_->lm_head());
}

MambaDecoder::~MambaDecoder() = default;
MambaDecoder::MambaDecoder(MambaDecoder&&) noexcept = default;

int64_t MambaDecoder::bytes_per_token() const {
  const Network& net = *network_;
  int64_t bytes = net.head.num_bytes() + 4 * net.E;
  for (const Network::Block& block : net.blocks) bytes += block.step->bytes_per_token();
  return bytes;
}

at::Tensor MambaDecoder::step(const std::vector<int32_t>& tokens_S, models::ModelState& state) const {
  const torch::NoGradGuard no_grad;
  const Network& net = *network_;
  const size_t num_sequences = tokens_S.size();
  TORCH_CHECK(state.num_tokens_S.size() == num_sequences && state.blocks.size() == net.blocks.size(),
              "[MambaDecoder] expected a state of ", num_sequences, " sequences");
  const nn::DecodeBatch batch = batch_of(model_->spec(), tokens_S, state.num_tokens_S);
  int64_t scratch_floats = 0;
  for (const Network::Block& block : net.blocks)
    scratch_floats = std::max(scratch_floats, block.step->scratch_floats(num_sequences));
  std::vector<float> scratch(static_cast<size_t>(scratch_floats));
  OwnRows branch(num_sequences, net.E);
  for (size_t s = 0; s < num_sequences; ++s) {
    kernels::round_row(net.embeddings_VE.const_data_ptr<float>() + tokens_S[s] * net.E, net.E, net.type,
                       branch.view().row(s));
    ++state.num_tokens_S[s];
  }
  for (nn::MixerState& block : state.blocks) {
    block.conv_SDK = own(std::move(block.conv_SDK));
    block.recurrent_SDN = own(std::move(block.recurrent_SDN));
  }
  at::Tensor logits_SV = torch::empty({static_cast<int64_t>(num_sequences), net.V});
  OwnRows residual(num_sequences, net.E), normed(num_sequences, net.E);
  const nn::DecodeArguments at{batch, normed.view(), branch.view(), scratch.data()};
  for (size_t i = 0; i < net.blocks.size(); ++i) {
    add_and_norm(net.blocks[i].norm_ME, net.epsilon, batch, branch.view(), residual.view(), normed.view());
    if (model_->spec().adaptive_norm)
      state.blocks[i].normed_SE = normed.copied_to(std::move(state.blocks[i].normed_SE));
    net.blocks[i].step->run(at, state.blocks[i]);
  }
  add_and_norm(net.norm_ME, net.epsilon, batch, branch.view(), residual.view(), normed.view());
  if (model_->spec().tells_convolutions()) state.hidden_SE = normed.copied_to(std::move(state.hidden_SE));
  const int64_t num_shares = at::get_num_threads();
  ops::parallel_shares(num_shares, [&](int64_t share) {
    nn::project({net.head}, batch, nn::share_of(net.V, share, num_shares), normed.view(),
                {logits_SV.mutable_data_ptr<float>(), net.V});
  });
  return logits_SV;
}

}  // namespace mom::generate
