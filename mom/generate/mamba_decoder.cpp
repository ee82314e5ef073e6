#include "mom/generate/mamba_decoder.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>

#include "mom/base/error.h"
#include "mom/kernels/mamba_step.h"
#include "mom/kernels/rms_norm.h"
#include "mom/ops/huge_pages.h"
#include "mom/ops/parallel.h"

namespace mom::generate {
namespace {

using kernels::WeightMatrix;
using kernels::WeightType;

constexpr int64_t kRowGroup = 16;  // a thread's share of rows or channels is a multiple of it

struct Share {
  int64_t begin = 0, end = 0;
};

// The part of `count` that is this thread's.
Share share_of(int64_t count, int64_t thread, int64_t num_threads) {
  const int64_t groups = (count + kRowGroup - 1) / kRowGroup;
  return {std::min(count, groups * thread / num_threads * kRowGroup),
          std::min(count, groups * (thread + 1) / num_threads * kRowGroup)};
}

// A weight matrix in its type, with what it points into.
struct Weights {
  WeightMatrix matrix;
  at::Tensor data, scales, bias;
};

// `memory`: for the narrow types.
Weights make_weights(const at::Tensor& weight_RC, const at::Tensor& bias_R, WeightType type,
                     ops::HugePages& memory) {
  Weights w;
  const int64_t rows = weight_RC.size(0), columns = weight_RC.size(1),
                stride = kernels::packed_columns(columns, type);
  const float* from = weight_RC.const_data_ptr<float>();
  w.bias = bias_R;
  if (type == WeightType::kF32) {
    w.data = weight_RC;
  } else if (type == WeightType::kBF16) {
    w.data = memory.take({rows, stride}, at::kBFloat16);
    kernels::round_rows(from, rows, columns, static_cast<uint16_t*>(w.data.mutable_data_ptr()));
  } else {
    w.data = memory.take({rows, stride}, at::kChar);
    w.scales = torch::empty({rows});
    kernels::quantize_rows(from, rows, columns, w.data.mutable_data_ptr<int8_t>(),
                           w.scales.mutable_data_ptr<float>());
  }
  w.matrix = {.data = w.data.const_data_ptr(),
              .scales = w.scales.defined() ? w.scales.const_data_ptr<float>() : nullptr,
              .bias = w.bias.defined() ? w.bias.const_data_ptr<float>() : nullptr,
              .num_rows = rows,
              .num_columns = columns,
              .stride = stride,
              .type = type};
  return w;
}

// Bytes for every parameter in `type`.
int64_t bytes_in(models::ModelImpl& model, WeightType type) {
  constexpr int64_t kBytes[] = {4, 2, 1};
  int64_t bytes = 0;
  for (const at::Tensor& parameter : model.parameters()) {
    const int64_t columns = std::max<int64_t>(1, parameter.dim() > 0 ? parameter.size(-1) : 1);
    bytes += ops::HugePages::rounded(parameter.numel() / columns * kernels::packed_columns(columns, type) *
                                     kBytes[static_cast<int>(type)]);
  }
  return bytes;
}

// The parameters themselves, moved.
void move_parameters(models::ModelImpl& model, ops::HugePages& memory) {
  for (at::Tensor& parameter : model.parameters()) {
    at::Tensor moved = memory.take(parameter.sizes(), at::kFloat);
    parameter.set_data(moved.copy_(parameter.detach()));
  }
}

// One matrix for all modalities, or one each.
using Projection = std::vector<Weights>;

struct DecoderBlock {
  Projection in_proj, x_proj, dt_proj, out_proj;
  std::vector<at::Tensor> norm_ME;  // one, or one a modality
  at::Tensor A_DN, D_D, conv_KD, conv_bias_D;
};

// The model's parameters by name, with one entry or one a modality.
class Parameters {
 public:
  Parameters(models::ModelImpl& model, WeightType type, ops::HugePages& memory)
      : spec_(model.spec()), named_(models::named_weights(model)), type_(type), memory_(memory) {}
  at::Tensor get(const std::string& name) const { return named_.at(name); }
  at::Tensor find(const std::string& name) const {
    const auto found = named_.find(name);
    return found == named_.end() ? at::Tensor() : found->second;
  }
  Weights matrix(const std::string& part) const {
    return make_weights(get(part + "weight"), find(part + "bias"), type_, memory_);
  }
  Projection projection(const std::string& prefix) const {
    Projection result;
    for (const std::string& part : parts(prefix)) result.push_back(matrix(part));
    return result;
  }
  std::vector<at::Tensor> norm(const std::string& prefix) const {
    std::vector<at::Tensor> result;
    for (const std::string& part : parts(prefix)) result.push_back(get(part + "weight").contiguous());
    return result;
  }

 private:
  std::vector<std::string> parts(const std::string& prefix) const {
    if (named_.contains(prefix + ".weight")) return {prefix + "."};
    std::vector<std::string> result;
    for (const std::string& modality : spec_.modalities) result.push_back(prefix + "." + modality + ".");
    return result;
  }

  const models::ModelSpec& spec_;
  nn::NamedTensors named_;
  WeightType type_;
  ops::HugePages& memory_;
};

DecoderBlock make_block(const Parameters& parameters, int64_t index) {
  const std::string block = "backbone.layers." + std::to_string(index) + ".", mixer = block + "mixer.";
  DecoderBlock result;
  result.norm_ME = parameters.norm(block + "norm");
  result.in_proj = parameters.projection(mixer + "in_proj");
  result.x_proj = parameters.projection(mixer + "x_proj");
  result.dt_proj = parameters.projection(mixer + "dt_proj");
  result.out_proj = parameters.projection(mixer + "out_proj");
  result.A_DN = -parameters.get(mixer + "A_log").exp();
  result.D_D = parameters.get(mixer + "D").contiguous();
  result.conv_KD = parameters.get(mixer + "conv1d.weight").squeeze(1).t().contiguous();
  result.conv_bias_D = parameters.find(mixer + "conv1d.bias");
  return result;
}

int64_t bytes_of(const Weights& weights) {
  return weights.matrix.num_rows * kernels::row_bytes(weights.matrix);
}

// Which sequences are fed what.
struct Fed {
  std::vector<int64_t> modality_S;
  std::vector<size_t> all;
  std::vector<std::vector<size_t>> by_modality;

  Fed(const models::ModelSpec& spec, const std::vector<int32_t>& tokens_S)
      : by_modality(spec.modalities.size()) {
    for (size_t s = 0; s < tokens_S.size(); ++s) {
      modality_S.push_back(spec.vocabulary.empty() ? 0 : spec.vocabulary.modality_of(tokens_S[s]));
      all.push_back(s);
      by_modality[static_cast<size_t>(modality_S.back())].push_back(s);
    }
  }
};

// [S, width] floats.
class Rows {
 public:
  Rows(size_t num_rows, int64_t width) : width_(width), values_(num_rows * static_cast<size_t>(width)) {}
  float* row(size_t s) { return values_.data() + s * static_cast<size_t>(width_); }

 private:
  int64_t width_;
  std::vector<float> values_;
};

// Rows [share) of what each sequence's own matrix makes of its row of `x`.
void project(const Projection& projection, const Fed& fed, Share share, Rows& x, Rows& y) {
  for (size_t m = 0; m < projection.size(); ++m) {
    const std::vector<size_t>& group = projection.size() == 1 ? fed.all : fed.by_modality[m];
    if (group.empty()) continue;
    std::vector<const float*> inputs;
    std::vector<float*> outputs;
    for (const size_t s : group) inputs.push_back(x.row(s)), outputs.push_back(y.row(s));
    kernels::matvec(projection[m].matrix, share.begin, share.end, inputs, outputs);
  }
}

}  // namespace

struct MambaDecoder::Network {
  WeightType type = WeightType::kF32;
  int64_t E = 0, D = 0, N = 0, R = 0, K = 0, V = 0;
  float epsilon = 0;
  std::vector<DecoderBlock> blocks;
  std::vector<at::Tensor> norm_ME;
  Weights embeddings, head;

  // A token's embedding.
  void embed(int32_t token, float* to) const;
};

namespace {

// What the threads of one step share.
struct Work {
  Work(size_t num_sequences, int64_t E, int64_t D, int64_t projected)
      : x_and_gate(num_sequences, 2 * D),
        dt_b_c(num_sequences, projected),
        dt(num_sequences, D),
        y(num_sequences, D),
        branch(num_sequences, E) {}
  Rows x_and_gate, dt_b_c, dt, y, branch;
};

// What each thread keeps for itself: all of them compute the same norms, which costs less than waiting.
struct Stream {
  Stream(size_t num_sequences, int64_t E) : residual(num_sequences, E), normed(num_sequences, E) {}
  Rows residual, normed;
};

void add_and_norm(const std::vector<at::Tensor>& weight_ME, float epsilon, int64_t E, const Fed& fed,
                  Work& work, Stream& stream) {
  for (const size_t s : fed.all) {
    const size_t m = weight_ME.size() == 1 ? 0 : static_cast<size_t>(fed.modality_S[s]);
    float scale = 0;
    float* residual = stream.residual.row(s);
    kernels::add_rms_norm_forward({.num_rows = 1,
                                   .width = E,
                                   .x = {work.branch.row(s), E},
                                   .residual = {residual, E},
                                   .weight = weight_ME[m].const_data_ptr<float>(),
                                   .epsilon = epsilon},
                                  {stream.normed.row(s), E}, {residual, E}, &scale, kernels::serial_for);
  }
}

}  // namespace

void MambaDecoder::Network::embed(int32_t token, float* to) const {
  const at::Tensor row = embeddings.data.select(0, token).to(torch::kFloat32);
  std::copy_n(row.const_data_ptr<float>(), E, to);
  if (type != WeightType::kInt8) return;
  const float scale = embeddings.matrix.scales[token];
  std::for_each(to, to + E, [&](float& value) { value *= scale; });
}

bool MambaDecoder::supports(const models::ModelSpec& spec) {
  for (int64_t i = 0; i < spec.num_blocks; ++i)
    if (spec.mixer(i) != "mamba") return false;
  return spec.num_blocks > 0;
}

MambaDecoder::MambaDecoder(models::Model model, WeightType weights)
    : model_(std::move(model)), network_(std::make_unique<Network>()) {
  const models::ModelSpec& spec = model_->spec();
  if (!supports(spec))
    throw UserError({"weights", "float32 for backbones with other blocks than Mamba's", spec.model_type, ""});
  const torch::NoGradGuard no_grad;
  ops::HugePages memory(bytes_in(*model_, weights));
  if (weights == WeightType::kF32) move_parameters(*model_, memory);
  const Parameters parameters(*model_, weights, memory);
  Network& net = *network_;
  net.type = weights;
  net.E = spec.hidden_size, net.D = spec.intermediate_size, net.N = spec.state_size;
  net.R = spec.time_step_rank, net.K = spec.conv_kernel, net.V = spec.vocab_size;
  net.epsilon = static_cast<float>(spec.layer_norm_epsilon);
  for (int64_t i = 0; i < spec.num_blocks; ++i) net.blocks.push_back(make_block(parameters, i));
  net.norm_ME = parameters.norm("backbone.norm_f");
  net.embeddings = parameters.matrix("backbone.embeddings.");
  net.head = spec.tie_word_embeddings ? net.embeddings : parameters.matrix("lm_head.");
}

MambaDecoder::~MambaDecoder() = default;
MambaDecoder::MambaDecoder(MambaDecoder&&) noexcept = default;

int64_t MambaDecoder::bytes_per_token() const {
  const Network& net = *network_;
  int64_t bytes = bytes_of(net.head) + kernels::row_bytes(net.embeddings.matrix);
  for (const DecoderBlock& block : net.blocks) {
    for (const Projection* projection : {&block.in_proj, &block.x_proj, &block.dt_proj, &block.out_proj})
      bytes += bytes_of(projection->front());
    bytes += 4 * net.D * (3 * net.N + 3 * net.K);  // A, state and convolution; states are written, too
  }
  return bytes;
}

at::Tensor MambaDecoder::step(const std::vector<int32_t>& tokens_S, models::ModelState& state) const {
  const torch::NoGradGuard no_grad;
  const Network& net = *network_;
  const models::ModelSpec& spec = model_->spec();
  const size_t num_sequences = tokens_S.size();
  TORCH_CHECK(state.num_tokens_S.size() == num_sequences && state.blocks.size() == net.blocks.size(),
              "[MambaDecoder] expected a state of ", num_sequences, " sequences");
  Work work(num_sequences, net.E, net.D, net.R + 2 * net.N);
  const Fed fed(spec, tokens_S);
  for (size_t s = 0; s < num_sequences; ++s) {
    net.embed(tokens_S[s], work.branch.row(s));
    ++state.num_tokens_S[s];
  }
  for (nn::MixerState& block : state.blocks) {
    block.conv_SDK = block.conv_SDK.contiguous().clone();
    block.recurrent_SDN = block.recurrent_SDN.contiguous().clone();
  }
  at::Tensor logits_SV = torch::empty({static_cast<int64_t>(num_sequences), net.V});
  ops::run_team(at::get_num_threads(), [&](ops::Team& team, int64_t thread) {
    const Share channels = share_of(net.D, thread, team.size()),
                gates = {net.D + channels.begin, net.D + channels.end},
                projected = share_of(net.R + 2 * net.N, thread, team.size()),
                outputs = share_of(net.E, thread, team.size()), words = share_of(net.V, thread, team.size());
    Stream stream(num_sequences, net.E);
    for (size_t i = 0; i < net.blocks.size(); ++i) {
      const DecoderBlock& block = net.blocks[i];
      const kernels::ConvStep conv = {
          net.D, net.K, block.conv_KD.const_data_ptr<float>(),
          block.conv_bias_D.defined() ? block.conv_bias_D.const_data_ptr<float>() : nullptr};
      const kernels::ScanStep scan = {net.D, net.N, block.A_DN.const_data_ptr<float>(),
                                      block.D_D.const_data_ptr<float>()};
      float* conv_SDK = state.blocks[i].conv_SDK.mutable_data_ptr<float>();
      float* recurrent_SDN = state.blocks[i].recurrent_SDN.mutable_data_ptr<float>();
      add_and_norm(block.norm_ME, net.epsilon, net.E, fed, work, stream);
      project(block.in_proj, fed, channels, stream.normed, work.x_and_gate);
      project(block.in_proj, fed, gates, stream.normed, work.x_and_gate);
      for (size_t s = 0; s < num_sequences; ++s)
        kernels::conv_step(conv, channels.begin, channels.end, work.x_and_gate.row(s),
                           conv_SDK + static_cast<int64_t>(s) * net.D * (net.K - 1));
      team.wait();
      project(block.x_proj, fed, projected, work.x_and_gate, work.dt_b_c);
      team.wait();
      project(block.dt_proj, fed, channels, work.dt_b_c, work.dt);
      for (size_t s = 0; s < num_sequences; ++s) {
        const float* b = work.dt_b_c.row(s) + net.R;
        const float* x = work.x_and_gate.row(s);
        kernels::scan_step(scan, channels.begin, channels.end, x, work.dt.row(s), b, b + net.N, x + net.D,
                           recurrent_SDN + static_cast<int64_t>(s) * net.D * net.N, work.y.row(s));
      }
      team.wait();
      project(block.out_proj, fed, outputs, work.y, work.branch);
      team.wait();
    }
    add_and_norm(net.norm_ME, net.epsilon, net.E, fed, work, stream);
    std::vector<const float*> normed;
    std::vector<float*> logits;
    for (size_t s = 0; s < num_sequences; ++s) {
      normed.push_back(stream.normed.row(s));
      logits.push_back(logits_SV.mutable_data_ptr<float>() + static_cast<int64_t>(s) * net.V);
    }
    kernels::matvec(net.head.matrix, words.begin, words.end, normed, logits);
  });
  return logits_SV;
}

}  // namespace mom::generate
