#include "mom/generate/mamba_decoder.h"

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <span>

#include "mom/base/error.h"
#include "mom/base/rounding.h"
#include "mom/kernels/rms_norm.h"
#include "mom/ops/huge_pages.h"
#include "mom/ops/parallel.h"
#include "mom/ops/shared_cores.h"

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

// A step's memory, kept by its thread from step to step: from a cache line's beginning on, not initialised.
float* step_memory(int64_t num_floats) {
  thread_local at::Tensor memory;
  if (!memory.defined() || memory.numel() < num_floats) memory = torch::empty({num_floats});
  return memory.mutable_data_ptr<float>();
}

// Room for a row of each sequence, [S, width]: `tensor` itself where it has that and nobody else has it.
at::Tensor own_rows(at::Tensor tensor, int64_t num_sequences, int64_t width) {
  const std::vector<int64_t> sizes{num_sequences, width};
  return tensor.defined() && tensor.sizes() == sizes && is_own(tensor) ? tensor : torch::empty(sizes);
}

// Room for a step's logits: that of the step before, unless somebody still has it.
at::Tensor kept_logits(int64_t num_sequences, int64_t num_ids) {
  thread_local at::Tensor kept_SV;
  return kept_SV = own_rows(std::move(kept_SV), num_sequences, num_ids);
}

// Each sequence's last row to its row of `to_SE`.
void put_last_rows(const nn::DecodeBatch& batch, int64_t first_sequence, DecodeRows rows,
                   const at::Tensor& to_SE) {
  float* to = to_SE.mutable_data_ptr<float>() + first_sequence * rows.width;
  for (int64_t s = 0; s < batch.num_sequences(); ++s)
    std::copy_n(rows.row(batch.last_row(s)), rows.width, to + s * rows.width);
}

at::Tensor own(at::Tensor tensor) { return is_own(tensor) ? tensor : tensor.contiguous().clone(); }

// `tokens_R`: sequence s has those of [offsets_S1[s], offsets_S1[s + 1]), and has seen so many before.
nn::DecodeBatch batch_of(const models::ModelSpec& spec, std::span<const int32_t> tokens_R,
                         std::vector<int64_t> offsets_S1, std::span<const int64_t> seen_S) {
  const auto num_sets = static_cast<int64_t>(spec.modalities.size());
  std::vector<int64_t> modality_R, set_R;
  for (size_t s = 0; s < seen_S.size(); ++s) {
    for (int64_t r = offsets_S1[s]; r < offsets_S1[s + 1]; ++r) {
      const int32_t token = tokens_R[static_cast<size_t>(r)];
      modality_R.push_back(spec.vocabulary.empty() ? 0 : spec.vocabulary.modality_of(token));
      set_R.push_back(spec.has_random_sets() ? nn::random_set(seen_S[s] + r - offsets_S1[s], num_sets)
                                             : modality_R.back());
    }
  }
  return {std::move(modality_R), set_R, num_sets, std::move(offsets_S1)};
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
  int64_t sequences_of_thread = 0;  // from as many on, each thread has its own
  float epsilon = 0;
  std::vector<Block> blocks;
  std::vector<at::Tensor> norm_ME;
  at::Tensor embeddings_VE;  // f32, of which each token's row is rounded
  nn::PackedMatrix head;
};

namespace {

void add_and_norm(const std::vector<at::Tensor>& weight_ME, float epsilon, const nn::DecodeBatch& batch,
                  DecodeRows branch, DecodeRows residual, DecodeRows normed) {
  constexpr int64_t kRowsOfTile = 32;  // as few on one thread: handing them out would cost more
  const auto num_rows = static_cast<int64_t>(batch.num_rows());
  ops::parallel_tiles(ceil_div(num_rows, kRowsOfTile), [&](int64_t tile) {
    const int64_t end = std::min(num_rows, (tile + 1) * kRowsOfTile);
    for (auto r = static_cast<size_t>(tile * kRowsOfTile); r < static_cast<size_t>(end); ++r) {
      const size_t m = weight_ME.size() == 1 ? 0 : static_cast<size_t>(batch.modality_R[r]);
      float scale = 0;
      kernels::add_rms_norm_forward({.num_rows = 1,
                                     .width = branch.width,
                                     .x = {branch.row(r), branch.width},
                                     .residual = {residual.row(r), branch.width},
                                     .weight = weight_ME[m].const_data_ptr<float>(),
                                     .epsilon = epsilon},
                                    {normed.row(r), branch.width}, {residual.row(r), branch.width}, &scale,
                                    kernels::serial_for);
    }
  });
}

// From so many sequences for each thread on, a step takes less time when each thread has its own, in its own caches and without
// waiting for others, than when all threads work on all of them, though every thread then reads all weights. 16 sequences of the
// quickstart's model on two threads: 1.3 times as fast; 8: 0.87 times. Where weights come from memory rather than from a cache
// a thread has to multiply as long as they take to come: 16 sequences of the 130M shape are 0.75 to 0.97 times as fast in f32,
// 1.13 in 8 bits.
int64_t sequences_of_thread(int64_t bytes_per_token, WeightType type) {
  constexpr int64_t kOfProduct = 8;  // as many as a product takes at once (kernels/matvec_panels-inl.h)
  // Of the last level, at least, on processors for servers.
  constexpr int64_t kCacheBytes = int64_t{32} << 20;
  if (bytes_per_token <= kCacheBytes) return kOfProduct;
  return kOfProduct * (type == WeightType::kF32 ? 4 : type == WeightType::kBF16 ? 2 : 1);
}

// 0, 1, ... count: a token of each sequence.
std::vector<int64_t> one_each(size_t count) {
  std::vector<int64_t> offsets_S1(count + 1);
  std::iota(offsets_S1.begin(), offsets_S1.end(), 0);
  return offsets_S1;
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
  net.sequences_of_thread = sequences_of_thread(bytes_per_token(), weights);
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
  const ops::ScopedThreads threads(ops::threads_beside_others());
  const int64_t num_threads = at::get_num_threads();
  const bool divided = std::ssize(tokens_S) >= network_->sequences_of_thread * num_threads;
  return run(tokens_S, one_each(tokens_S.size()), state, divided ? num_threads : 1, /*reads=*/false);
}

at::Tensor MambaDecoder::read(const std::vector<std::vector<int32_t>>& tokens_S,
                              models::ModelState& state) const {
  TORCH_CHECK(network_->type == WeightType::kF32,
              "[MambaDecoder] read: expected f32 weights, got fewer bits");
  std::vector<int32_t> tokens_R;
  std::vector<int64_t> offsets_S1 = {0};
  for (const std::vector<int32_t>& tokens : tokens_S) {
    TORCH_CHECK(!tokens.empty(), "[MambaDecoder] expected tokens for every sequence, got none");
    tokens_R.insert(tokens_R.end(), tokens.begin(), tokens.end());
    offsets_S1.push_back(std::ssize(tokens_R));
  }
  return run(tokens_R, offsets_S1, state, /*num_parts=*/1, /*reads=*/true);
}

at::Tensor MambaDecoder::run(const std::vector<int32_t>& tokens_R, const std::vector<int64_t>& offsets_S1,
                             models::ModelState& state, int64_t num_parts, bool reads) const {
  const torch::NoGradGuard no_grad;
  const models::ModelSpec& spec = model_->spec();
  const auto num_sequences = std::ssize(offsets_S1) - 1;
  TORCH_CHECK(state.blocks.size() == network_->blocks.size(), "[MambaDecoder] expected a state of ",
              network_->blocks.size(), " blocks, got one of ", state.blocks.size());
  TORCH_CHECK(std::ssize(state.num_tokens_S) == num_sequences, "[MambaDecoder] expected a state of ",
              num_sequences, " sequences, got one of ", state.num_tokens_S.size());
  for (nn::MixerState& block : state.blocks) {
    block.conv_SDK = own(std::move(block.conv_SDK));
    block.recurrent_SDN = own(std::move(block.recurrent_SDN));
    if (spec.adaptive_norm)
      block.normed_SE = own_rows(std::move(block.normed_SE), num_sequences, network_->E);
  }
  if (spec.tells_convolutions())
    state.hidden_SE = own_rows(std::move(state.hidden_SE), num_sequences, network_->E);
  at::Tensor logits_SV = kept_logits(num_sequences, network_->V);
  ops::parallel_shares(num_parts, [&](int64_t part) {
    const auto begin = static_cast<size_t>(num_sequences * part / num_parts),
               end = static_cast<size_t>(num_sequences * (part + 1) / num_parts);
    const auto first = static_cast<size_t>(offsets_S1[begin]), last = static_cast<size_t>(offsets_S1[end]);
    std::vector<int64_t> offsets(offsets_S1.begin() + static_cast<std::ptrdiff_t>(begin),
                                 offsets_S1.begin() + static_cast<std::ptrdiff_t>(end) + 1);
    for (int64_t& offset : offsets) offset -= offsets_S1[begin];
    const std::span<const int32_t> tokens = std::span(tokens_R).subspan(first, last - first);
    const std::span<const int64_t> seen = std::span(state.num_tokens_S).subspan(begin, end - begin);
    advance(tokens, batch_of(spec, tokens, std::move(offsets), seen), static_cast<int64_t>(begin), state,
            logits_SV, reads);
  });
  for (size_t s = 0; s < state.num_tokens_S.size(); ++s)
    state.num_tokens_S[s] += offsets_S1[s + 1] - offsets_S1[s];
  return logits_SV;
}

void MambaDecoder::advance(std::span<const int32_t> tokens_R, const nn::DecodeBatch& batch,
                           int64_t first_sequence, models::ModelState& state, const at::Tensor& logits_SV,
                           bool reads) const {
  const Network& net = *network_;
  const size_t num_rows = tokens_R.size();
  int64_t scratch_floats = 0;
  for (const Network::Block& block : net.blocks)
    scratch_floats = std::max(scratch_floats, block.step->scratch_floats(num_rows));
  const int64_t rows_floats = nn::whole_lines(static_cast<int64_t>(num_rows) * net.E);
  float* const memory = step_memory(3 * rows_floats + scratch_floats);
  const DecodeRows branch{memory, net.E}, residual{memory + rows_floats, net.E},
      normed{memory + 2 * rows_floats, net.E};
  for (size_t r = 0; r < num_rows; ++r)
    kernels::round_row(net.embeddings_VE.const_data_ptr<float>() + tokens_R[r] * net.E, net.E, net.type,
                       branch.row(r));
  std::fill_n(residual.data, rows_floats, 0.0f);
  const nn::DecodeArguments at{batch, normed, branch, memory + 3 * rows_floats, first_sequence};
  for (size_t i = 0; i < net.blocks.size(); ++i) {
    add_and_norm(net.blocks[i].norm_ME, net.epsilon, batch, branch, residual, normed);
    if (model_->spec().adaptive_norm) put_last_rows(batch, first_sequence, normed, state.blocks[i].normed_SE);
    reads ? net.blocks[i].step->read(at, state.blocks[i]) : net.blocks[i].step->run(at, state.blocks[i]);
  }
  add_and_norm(net.norm_ME, net.epsilon, batch, branch, residual, normed);
  if (model_->spec().tells_convolutions()) put_last_rows(batch, first_sequence, normed, state.hidden_SE);
  std::vector<const float*> last;
  std::vector<float*> logits;
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    last.push_back(normed.row(batch.last_row(s)));
    logits.push_back(logits_SV.mutable_data_ptr<float>() + (first_sequence + s) * net.V);
  }
  const int64_t num_shares = at::get_num_threads();
  ops::parallel_shares(num_shares, [&](int64_t share) {
    const nn::RowRange rows = nn::share_of(net.V, share, num_shares);
    kernels::matvec(net.head.matrix, rows.begin, rows.end, last, logits);
  });
}

}  // namespace mom::generate
