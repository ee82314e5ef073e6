#include "mom/models/model.h"

#include <cmath>

#include "mom/base/error.h"
#include "mom/models/backbones.h"
#include "mom/nn/parameter.h"
#include "mom/nn/recompute.h"
#include "mom/ops/attention_plan.h"
#include "mom/ops/embedding.h"
#include "mom/ops/head_loss.h"
#include "mom/ops/rotary.h"

namespace mom::models {
namespace {

struct TableImpl : torch::nn::Module {  // a [rows, width] parameter called weight
  TableImpl(int64_t rows, int64_t width) {
    weight = register_parameter("weight", nn::empty_parameter({rows, width}));
  }
  at::Tensor weight;
};
TORCH_MODULE(Table);

nn::MixerOptions mixer_options(const ModelSpec& spec) {
  nn::MixerOptions options;
  options.d_model = spec.hidden_size;
  options.modalities = spec.modalities;
  options.decoupled = {spec.decoupled.begin(), spec.decoupled.end()};
  options.norm_epsilon = spec.layer_norm_epsilon;
  options.proj_bias = spec.use_bias;
  options.d_inner = spec.intermediate_size;
  options.state_size = spec.state_size;
  options.conv_kernel = spec.conv_kernel;
  options.dt_rank = spec.time_step_rank;
  options.conv_bias = spec.use_conv_bias;
  options.discretisation = spec.discretisation;
  options.heads = spec.num_attention_heads;
  options.rope_theta = spec.rope_theta;
  options.feed_forward = spec.feed_forward_size;
  options.experts = spec.num_experts;
  options.experts_per_token = spec.experts_per_token;
  options.router = spec.router;
  options.capacity_factor = spec.capacity_factor;
  return options;
}

nn::ModalityLinear linear(int64_t in, int64_t out) {
  return nn::ModalityLinear(nn::ModalityLinearOptions{in, out, /*bias=*/true, {}});
}

// Sinusoids of the timestep at geometric frequencies (Vaswani et al. 2017, as DDPM uses them). i64 [I] -> f32
// [I, 128].
at::Tensor timestep_features(const at::Tensor& timesteps_I) {
  const int64_t half = kTimestepFeatures / 2;
  at::Tensor frequency =
      torch::exp(torch::arange(half, torch::kFloat32) * (-std::log(10000.0) / static_cast<double>(half)));
  at::Tensor angle = timesteps_I.to(torch::kFloat32).unsqueeze(1) * frequency;
  return torch::cat({angle.cos(), angle.sin()}, 1);
}

}  // namespace

ModelImpl::ModelImpl(const ModelSpec& spec) : spec_(spec) {
  nn::NameScope backbone = register_module("backbone", nn::NameScope());
  embeddings_ = backbone->register_module("embeddings", Table(spec.vocab_size, spec.hidden_size))->weight;
  const nn::MixerOptions options = mixer_options(spec);
  torch::nn::ModuleList layers;
  for (int64_t i = 0; i < spec.num_blocks; ++i) {
    blocks_.emplace_back(spec.mixer(i), options);
    layers->push_back(blocks_.back());
  }
  backbone->register_module("layers", layers);
  norm_ = backbone->register_module(
      "norm_f", nn::RmsNorm(spec.hidden_size, spec.layer_norm_epsilon,
                            options.decoupled.count("norm") ? spec.modalities : std::vector<std::string>()));
  lm_head_ = spec.tie_word_embeddings
                 ? embeddings_
                 : register_module("lm_head", Table(spec.vocab_size, spec.hidden_size))->weight;
  if (!spec.latents()) return;
  const int64_t patch_width = spec.latents()->patch_width();
  patch_in_ = register_module("patch_in", linear(patch_width, spec.hidden_size));
  time_in_ = register_module("timestep_in", linear(kTimestepFeatures, spec.hidden_size));
  time_out_ = register_module("timestep_out", linear(spec.hidden_size, spec.hidden_size));
  patch_out_ = register_module("patch_out", linear(spec.hidden_size, patch_width));
}

at::Tensor ModelImpl::embed_patches(const at::Tensor& patches_QP, const at::Tensor& timesteps_I,
                                    const nn::Routing& routing) {
  const int64_t num_images = timesteps_I.size(0);
  at::Tensor time_IE =
      time_out_->forward(torch::silu(time_in_->forward(timestep_features(timesteps_I), routing)), routing);
  at::Tensor patches_QE = patch_in_->forward(patches_QP, routing);
  if (num_images == 0) return patches_QE;
  return (patches_QE.view({num_images, -1, spec_.hidden_size}) + time_IE.unsqueeze(1))
      .view({-1, spec_.hidden_size});
}

at::Tensor ModelImpl::embed(const ModelInput& input) {
  if (!spec_.latents()) return ops::embedding_of_parameter(embeddings_, input.tokens_T);
  std::vector<at::Tensor> parts;
  for (int64_t m = 0; m < input.routing.num_modalities(); ++m) {
    if (spec_.is_continuous(m)) {
      parts.push_back(embed_patches(input.patches_QP, input.timesteps_I, input.routing));
    } else {
      parts.push_back(ops::embedding_of_parameter(
          embeddings_, input.tokens_T.narrow(0, input.routing.group_begin(m), input.routing.group_size(m))));
    }
  }
  return torch::cat(parts);
}

nn::BlockContext ModelImpl::make_context(const ModelInput& input, const ModelState* state) const {
  nn::BlockContext context;
  context.routing = input.routing;
  context.training = input.training;
  context.balance_weight = input.balance_weight;
  context.experts = input.experts;
  if (!spec_.has_mixer("attention")) return context;
  const std::vector<int64_t> cached = state ? state->num_tokens_S : std::vector<int64_t>();
  context.attention = ops::make_attention_plan(input.routing.order_T, input.routing.offsets_S1, cached,
                                               latent_rows(spec_, input.routing));
  std::vector<int64_t> positions_T;
  for (size_t s = 0; s + 1 < context.attention->offsets_S1.size(); ++s)
    for (int64_t t = context.attention->offsets_S1[s]; t < context.attention->offsets_S1[s + 1]; ++t)
      positions_T.push_back(t - context.attention->offsets_S1[s] + context.attention->num_cached(s));
  context.rotary_TW = ops::rotary_table(torch::tensor(positions_T, torch::kInt64),
                                        spec_.hidden_size / spec_.num_attention_heads, spec_.rope_theta);
  return context;
}

at::Tensor ModelImpl::forward(const ModelInput& input, ModelState* state) {
  TORCH_CHECK(input.routing.num_modalities() == static_cast<int64_t>(spec_.modalities.size()),
              "[model] expected routing for ", spec_.modalities.size(), " modalities, got ",
              input.routing.num_modalities());
  if (state) {
    state->blocks.resize(blocks_.size());
    state->num_tokens_S.resize(static_cast<size_t>(input.routing.num_sequences()), 0);
  }
  nn::BlockContext context = make_context(input, state);
  at::Tensor branch = embed(input).to(compute_.type), residual;
  const bool recompute = compute_.recompute && !state && branch.requires_grad();
  for (size_t i = 0; i < blocks_.size(); ++i) {
    context.block = static_cast<int64_t>(i);
    if (recompute) {
      const auto outputs = nn::recompute(
          [block = blocks_[i], context](const torch::autograd::variable_list& inputs) mutable {
            auto [next_branch, next_residual] =
                block->forward(inputs[0], inputs.size() > 1 ? inputs[1] : at::Tensor(), context);
            return torch::autograd::variable_list{next_branch, next_residual};
          },
          residual.defined() ? torch::autograd::variable_list{branch, residual}
                             : torch::autograd::variable_list{branch});
      branch = outputs[0], residual = outputs[1];
    } else {
      std::tie(branch, residual) =
          blocks_[i]->forward(branch, residual, context, state ? &state->blocks[i] : nullptr);
    }
  }
  const int64_t* offsets = input.routing.offsets_S1.const_data_ptr<int64_t>();
  for (size_t s = 0; state && s < state->num_tokens_S.size(); ++s)
    state->num_tokens_S[s] += offsets[s + 1] - offsets[s];
  return std::get<0>(norm_->forward(branch, residual, input.routing));
}

ModelState ModelImpl::initial_state(int64_t num_sequences) const {
  ModelState state;
  for (const nn::Block& block : blocks_) state.blocks.push_back(block->mixer->initial_state(num_sequences));
  state.num_tokens_S.assign(static_cast<size_t>(num_sequences), 0);
  return state;
}

at::Tensor ModelImpl::logits(const at::Tensor& hidden_RE) {
  return torch::nn::functional::linear(hidden_RE.to(torch::kFloat32), lm_head_);
}

at::Tensor ModelImpl::noise(const at::Tensor& hidden_TE, const nn::Routing& routing) {
  const int64_t latents = spec_.latents_index();
  return patch_out_->forward(
      hidden_TE.narrow(0, routing.group_begin(latents), routing.group_size(latents)).to(torch::kFloat32),
      routing);
}

ops::CrossEntropy ModelImpl::next_token_loss(const at::Tensor& hidden_TE, const at::Tensor& rows_R,
                                             const at::Tensor& targets_R, double scale, double z_weight) {
  return ops::linear_cross_entropy(hidden_TE, lm_head_, rows_R, targets_R,
                                   {scale, z_weight, /*into_leaf=*/true});
}

at::Tensor ModelImpl::noise_loss(const at::Tensor& hidden_TE, const nn::Routing& routing,
                                 const at::Tensor& noise_QP, double scale) {
  const int64_t latents = spec_.latents_index(), first = routing.group_begin(latents);
  return ops::linear_squared_error(hidden_TE, patch_out_->weight(0), patch_out_->bias(0),
                                   torch::arange(first, first + routing.group_size(latents), torch::kInt64),
                                   noise_QP, scale);
}

ops::BidirectionalRows latent_rows(const ModelSpec& spec, const nn::Routing& routing) {
  if (!spec.latents()) return {};
  const int64_t latents = spec.latents_index();
  return {routing.group_begin(latents), routing.group_begin(latents + 1),
          spec.latents()->positions_per_item()};
}

bool ModelImpl::without_decay(const std::string& name) {
  for (const char* tail : {".bias", ".A_log", ".A_imag", ".log_dt", ".D"})
    if (name.ends_with(tail)) return true;
  return is_norm(name);
}

bool ModelImpl::is_norm(const std::string& name) {
  return name.find(".norm.") != std::string::npos || name.find(".norm_f.") != std::string::npos;
}

}  // namespace mom::models
