#include "mom/models/model.h"

#include <cmath>

#include "mom/base/error.h"
#include "mom/nn/recompute.h"
#include "mom/ops/embedding.h"
#include "mom/ops/head_loss.h"

namespace mom::models {
namespace {

struct TableImpl : torch::nn::Module {  // a [rows, width] parameter called weight
  TableImpl(int64_t rows, int64_t width) {
    weight = register_parameter("weight", torch::empty({rows, width}));
  }
  at::Tensor weight;
};
TORCH_MODULE(Table);

struct GroupImpl : torch::nn::Module {};  // gives names their first part
TORCH_MODULE(Group);

nn::MambaOptions block_options(const ModelSpec& spec) {
  nn::MambaOptions options;
  options.d_model = spec.hidden_size;
  options.d_inner = spec.intermediate_size;
  options.state_size = spec.state_size;
  options.conv_kernel = spec.conv_kernel;
  options.dt_rank = spec.time_step_rank;
  options.conv_bias = spec.use_conv_bias;
  options.proj_bias = spec.use_bias;
  options.norm_epsilon = spec.layer_norm_epsilon;
  options.modalities = spec.modalities;
  options.decoupled = {spec.decoupled.begin(), spec.decoupled.end()};
  return options;
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
  Group backbone = register_module("backbone", Group());
  embeddings_ = backbone->register_module("embeddings", Table(spec.vocab_size, spec.hidden_size))->weight;
  torch::nn::ModuleList layers;
  for (int64_t i = 0; i < spec.num_blocks; ++i) {
    blocks_.emplace_back(block_options(spec));
    layers->push_back(blocks_.back());
  }
  backbone->register_module("layers", layers);
  norm_ = backbone->register_module("norm_f", nn::RmsNorm(spec.hidden_size, spec.layer_norm_epsilon));
  lm_head_ = spec.tie_word_embeddings
                 ? embeddings_
                 : register_module("lm_head", Table(spec.vocab_size, spec.hidden_size))->weight;
  if (!spec.has_patches()) return;
  patch_in_ = register_module("patch_in", torch::nn::Linear(spec.patch_width(), spec.hidden_size));
  time_in_ = register_module("timestep_in", torch::nn::Linear(kTimestepFeatures, spec.hidden_size));
  time_out_ = register_module("timestep_out", torch::nn::Linear(spec.hidden_size, spec.hidden_size));
  patch_out_ = register_module("patch_out", torch::nn::Linear(spec.hidden_size, spec.patch_width()));
}

at::Tensor ModelImpl::embed_patches(const at::Tensor& patches_QP, const at::Tensor& timesteps_I) {
  const int64_t num_images = timesteps_I.size(0);
  at::Tensor time_IE = time_out_->forward(torch::silu(time_in_->forward(timestep_features(timesteps_I))));
  at::Tensor patches_QE = patch_in_->forward(patches_QP);
  if (num_images == 0) return patches_QE;
  return (patches_QE.view({num_images, -1, spec_.hidden_size}) + time_IE.unsqueeze(1))
      .view({-1, spec_.hidden_size});
}

at::Tensor ModelImpl::embed(const ModelInput& input) {
  if (!spec_.has_patches()) return ops::embedding_of_parameter(embeddings_, input.tokens_T);
  std::vector<at::Tensor> parts;
  const int64_t image = spec_.modality_index("image");
  for (int64_t m = 0; m < input.routing.num_modalities(); ++m) {
    if (m == image) {
      parts.push_back(embed_patches(input.patches_QP, input.timesteps_I));
    } else {
      parts.push_back(ops::embedding_of_parameter(
          embeddings_, input.tokens_T.narrow(0, input.routing.group_begin(m), input.routing.group_size(m))));
    }
  }
  return torch::cat(parts);
}

at::Tensor ModelImpl::forward(const ModelInput& input, ModelState* state) {
  TORCH_CHECK(input.routing.num_modalities() == static_cast<int64_t>(spec_.modalities.size()),
              "[model] expected routing for ", spec_.modalities.size(), " modalities, got ",
              input.routing.num_modalities());
  if (state) state->resize(blocks_.size());
  at::Tensor branch = embed(input).to(compute_.type), residual;
  const bool recompute = compute_.recompute && !state && branch.requires_grad();
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (recompute) {
      const auto outputs = nn::recompute(
          [block = blocks_[i],
           routing = input.routing](const torch::autograd::variable_list& inputs) mutable {
            auto [next_branch, next_residual] =
                block->forward(inputs[0], inputs.size() > 1 ? inputs[1] : at::Tensor(), routing);
            return torch::autograd::variable_list{next_branch, next_residual};
          },
          residual.defined() ? torch::autograd::variable_list{branch, residual}
                             : torch::autograd::variable_list{branch});
      branch = outputs[0], residual = outputs[1];
    } else {
      std::tie(branch, residual) =
          blocks_[i]->forward(branch, residual, input.routing, state ? &(*state)[i] : nullptr);
    }
  }
  return std::get<0>(norm_->forward(branch, residual));
}

at::Tensor ModelImpl::logits(const at::Tensor& hidden_RE) {
  return torch::nn::functional::linear(hidden_RE.to(torch::kFloat32), lm_head_);
}

at::Tensor ModelImpl::noise(const at::Tensor& hidden_TE, const nn::Routing& routing) {
  const int64_t image = spec_.modality_index("image");
  return patch_out_->forward(
      hidden_TE.narrow(0, routing.group_begin(image), routing.group_size(image)).to(torch::kFloat32));
}

ops::CrossEntropy ModelImpl::next_token_loss(const at::Tensor& hidden_TE, const at::Tensor& rows_R,
                                             const at::Tensor& targets_R, double scale, double z_weight) {
  return ops::linear_cross_entropy(hidden_TE, lm_head_, rows_R, targets_R,
                                   {scale, z_weight, /*into_leaf=*/true});
}

at::Tensor ModelImpl::noise_loss(const at::Tensor& hidden_TE, const nn::Routing& routing,
                                 const at::Tensor& noise_QP, double scale) {
  const int64_t image = spec_.modality_index("image"), first = routing.group_begin(image);
  return ops::linear_squared_error(hidden_TE, patch_out_->weight, patch_out_->bias,
                                   torch::arange(first, first + routing.group_size(image), torch::kInt64),
                                   noise_QP, scale);
}

bool ModelImpl::without_decay(const std::string& name) {
  auto ends_with = [&](std::string_view tail) { return name.size() >= tail.size() && name.ends_with(tail); };
  return ends_with(".bias") || ends_with(".A_log") || ends_with(".D") || ends_with("norm.weight") ||
         ends_with("norm_f.weight");
}

}  // namespace mom::models
