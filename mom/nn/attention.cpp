#include "mom/nn/attention.h"

#include "mom/config/schema.h"
#include "mom/ops/attention.h"
#include "mom/ops/rotary.h"
#include "mom/ops/row_map.h"

namespace mom::nn {
namespace {

// All keys (or values) of each sequence, those from earlier calls first, one sequence after another. `kept`
// is replaced by them.
at::Tensor join_cached(const at::Tensor& fresh_THW, const ops::AttentionPlan& plan,
                       std::vector<at::Tensor>& kept) {
  const auto num_sequences = static_cast<size_t>(plan.num_sequences());
  std::vector<at::Tensor> all(num_sequences);
  for (size_t s = 0; s < num_sequences; ++s) {
    const int64_t begin = plan.offsets_S1[s];
    const at::Tensor fresh = fresh_THW.narrow(0, begin, plan.offsets_S1[s + 1] - begin);
    all[s] = kept.empty() ? fresh.clone() : torch::cat({kept[s], fresh});
  }
  kept = all;
  return torch::cat(all);
}

}  // namespace

void AttentionConfig::describe(config::Table& table) {
  table.field("heads", heads, "attention heads; 0: about d_model / 64")
      .range(0, 4096)
      .stored_as("num_attention_heads")
      .required_in_files();
  table
      .field("key_value_heads", key_value_heads,
             "heads of keys and values, each shared by a group of attention heads; 0: as many as heads")
      .range(0, 4096)
      .stored_as("num_key_value_heads");
  table.field("rope_theta", rope_theta, "base of the rotary positions").range(1, 1e9);
}

// Heads of about 64 channels that divide the width evenly.
void AttentionConfig::resolve(int64_t d_model) {
  if (heads == 0) {
    heads = std::max<int64_t>(1, d_model / 64);
    while (heads > 1 && (d_model % heads || (d_model / heads) % 2)) --heads;
  }
  if (key_value_heads == 0) key_value_heads = heads;
}

std::string AttentionConfig::problem(int64_t d_model) const {
  if (heads < 1 || d_model % heads != 0 || d_model / heads % 2 != 0)
    return "heads: expected a number that divides the width " + std::to_string(d_model) +
           " into even parts, found " + std::to_string(heads);
  if (heads % key_value_heads != 0)
    return "key_value_heads: expected a divisor of the " + std::to_string(heads) + " heads, found " +
           std::to_string(key_value_heads);
  return "";
}

AttentionMixerImpl::AttentionMixerImpl(const AttentionConfig& config, const Trunk& trunk)
    : config_(config), d_model_(trunk.d_model), head_width_(trunk.d_model / config.heads) {
  auto projection = [&](const char* name, int64_t heads) {
    return register_module(name,
                           ModalityLinear(projection_options(trunk, name, d_model_, heads * head_width_)));
  };
  q_proj_ = projection("q_proj", config.heads);
  k_proj_ = projection("k_proj", config.key_value_heads);
  v_proj_ = projection("v_proj", config.key_value_heads);
  o_proj_ = register_module("o_proj", ModalityLinear(residual_options(trunk, "o_proj", d_model_, d_model_)));
}

at::Tensor AttentionMixerImpl::forward(const at::Tensor& x_TE, const BlockContext& context,
                                       MixerState* state) {
  const Routing& routing = context.routing;
  const ops::AttentionPlan& plan = *context.attention;
  auto rotated = [&](ModalityLinear& projection, int64_t heads) {
    return ops::rotary(projection->forward(x_TE, routing), routing.order_on(x_TE.device()), context.rotary_TW,
                       heads);
  };
  const at::Tensor q_THW = rotated(q_proj_, config_.heads);
  at::Tensor k_LHW = rotated(k_proj_, config_.key_value_heads);
  at::Tensor v_LHW = ops::take_rows(v_proj_->forward(x_TE, routing), plan.order).view(k_LHW.sizes());
  if (state) {
    k_LHW = join_cached(k_LHW, plan, state->keys);
    v_LHW = join_cached(v_LHW, plan, state->values);
  }
  if (const int64_t group = config_.heads / config_.key_value_heads; group > 1) {
    k_LHW = k_LHW.repeat_interleave(group, 1);
    v_LHW = v_LHW.repeat_interleave(group, 1);
  }
  const at::Tensor y_THW = ops::attention(q_THW, k_LHW, v_LHW, context.attention);
  return o_proj_->forward(ops::add_rows(y_THW.view(x_TE.sizes()), {}, plan.order), routing);
}

MixerState AttentionMixerImpl::initial_state(int64_t num_sequences) const {
  const std::vector<at::Tensor> none(static_cast<size_t>(num_sequences),
                                     torch::zeros({0, config_.key_value_heads, head_width_}));
  return {{}, {}, none, none};
}

MixerCosts AttentionMixerImpl::costs() const {
  const double e = static_cast<double>(d_model_);
  const int64_t key_width = config_.key_value_heads * head_width_;
  MixerCosts costs;
  costs.gemm = 2 * (2 * e * e + 2 * e * static_cast<double>(key_width));
  costs.pair = 4 * e;  // a score and its share of the values
  costs.state_bytes_per_token = 4 * 2 * key_width;
  costs.kept = 5 * e;  // queries, keys, values, outputs in order of positions and of rows
  costs.kept_f32 = static_cast<double>(config_.heads);
  costs.passing = 6 * e;
  return costs;
}

}  // namespace mom::nn
