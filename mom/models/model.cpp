#include "mom/models/model.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/nn/modules/container/modulelist.h>

#include <cmath>
#include <map>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/models/backbones.h"
#include "mom/models/diffusion.h"
#include "mom/nn/attention.h"
#include "mom/nn/recompute.h"
#include "mom/ops/attention_plan.h"
#include "mom/ops/embedding.h"
#include "mom/ops/head_loss.h"
#include "mom/ops/modality_linear.h"
#include "mom/ops/rotary.h"
#include "mom/ops/rowwise.h"

namespace mom::models {
namespace {

struct TableImpl : nn::Module {  // a [rows, width] parameter called weight
  TableImpl(int64_t rows, int64_t width, nn::Initialiser init) {
    weight = add_parameter("weight", {rows, width}, {.init = std::move(init), .part = nn::Part::kTokenTable});
  }
  at::Tensor weight;
};
TORCH_MODULE(Table);

// Of a grid's rows or columns; starts at zero, as if there were none.
struct PositionTableImpl : nn::Module {
  PositionTableImpl(int64_t count, int64_t width) {
    weight = add_parameter("weight", {count, width},
                           {.init = nn::init_constant(0), .decay = false, .part = nn::Part::kLatentAdapter});
  }
  at::Tensor weight;
};
TORCH_MODULE(PositionTable);

// Of latents alone; the bias starts as the weight does.
nn::ModalityLinear latent_adapter(int64_t in, int64_t out, const nn::Initialiser& init) {
  nn::ModalityLinearOptions options{.in_features = in, .out_features = out, .bias = true, .groups = {}};
  options.weight = {.init = init, .part = nn::Part::kLatentAdapter};
  options.bias_traits = {.init = init, .decay = false, .part = nn::Part::kLatentAdapter};
  return nn::ModalityLinear(options);
}

// Sinusoids of the timestep at geometric frequencies (Vaswani et al. 2017, as DDPM uses them). i64 [I] -> f32
// [I, 128].
at::Tensor timestep_features(const at::Tensor& timesteps_I) {
  const int64_t half = kTimestepFeatures / 2;
  at::Tensor frequency =
      torch::exp(torch::arange(half, torch::TensorOptions(torch::kFloat32).device(timesteps_I.device())) *
                 (-std::log(10000.0) / static_cast<double>(half)));
  at::Tensor angle = timesteps_I.to(torch::kFloat32).unsqueeze(1) * frequency;
  return torch::cat({angle.cos(), angle.sin()}, 1);
}

}  // namespace

ModelImpl::ModelImpl(const ModelSpec& spec) : spec_(spec) {
  const int64_t width = spec.d_model;
  nn::NameScope backbone = register_module("backbone", nn::NameScope());
  embeddings_ =
      backbone->register_module("embeddings", Table(spec.vocab_size, width, nn::init_normal(0.02)))->weight;
  nn::Trunk trunk = spec.trunk();
  std::map<std::string, int64_t> turns;
  torch::nn::ModuleList layers;
  for (int64_t i = 0; i < spec.num_blocks; ++i) {
    trunk.turn = turns[spec.mixer(i)]++;
    blocks_.emplace_back(spec.mixer_config(i), trunk);
    layers->push_back(blocks_.back());
  }
  backbone->register_module("layers", layers);
  norm_ = backbone->register_module("norm_f", nn::RmsNorm(width, spec.norm_epsilon, trunk.owners_of("norm")));
  lm_head_ = spec.tie_word_embeddings
                 ? embeddings_
                 : register_module("lm_head", Table(spec.vocab_size, width, nn::init_fan_in(width)))->weight;
  for (const modality::Modality* latents : spec.vocabulary.continuous())
    adapters_.push_back(make_adapter(*latents));
}

// Of one modality of latents parameters are called patch_in.weight; of several, patch_in.MODALITY.weight.
ModelImpl::Adapter ModelImpl::make_adapter(const modality::Modality& latents) {
  const ModelSpec& spec = spec_;
  const int64_t width = spec.d_model;
  const bool alone = spec.vocabulary.continuous().size() == 1;
  Adapter adapter;
  adapter.modality = spec.vocabulary.index_of(spec.vocabulary.find(latents.name));
  auto add = [&](const std::string& name, auto module) {
    if (alone) return register_module(name, module);
    if (!named_children().contains(name)) register_module(name, nn::NameScope());
    module->belong_to(adapter.modality);
    return named_children()[name]->register_module(latents.name, module);
  };
  auto linear = [&](const char* name, int64_t in, int64_t out, const nn::Initialiser& init) {
    return add(name, latent_adapter(in, out, init));
  };
  int64_t patch = latents.patch_width();
  // The first noise prediction is 0: the loss starts at 1, the variance of the noise.
  nn::Initialiser init_patch_out = nn::init_constant(0);
  if (spec.has_conv_patches(latents)) {
    const nn::UNetOptions options{.latent_channels = latents.latent_shape[0],
                                  .rows = latents.latent_shape[1],
                                  .columns = latents.latent_shape[2],
                                  .patch_size = latents.patch_size,
                                  .channels = spec.patch_net_channels,
                                  .skips = spec.patch_net_of(latents) == kUNetPatches,
                                  .time_width = width,
                                  .norm_epsilon = spec.norm_epsilon};
    adapter.unet = add("patch_net", nn::UNet(options));
    patch = options.patch_features();
    init_patch_out = nn::init_fan_in(width);  // its own last layer starts at 0
  }
  adapter.patch_in = linear("patch_in", patch, width, nn::init_fan_in(patch));
  adapter.time_in = linear("timestep_in", kTimestepFeatures, width, nn::init_fan_in(kTimestepFeatures));
  adapter.time_out = linear("timestep_out", width, width, nn::init_fan_in(width));
  adapter.patch_out = linear("patch_out", width, patch, init_patch_out);
  if (spec.tells_convolutions(latents))
    adapter.before_out = linear("before_out", width, width, nn::init_constant(0));
  if (!spec.patch_positions) return adapter;
  const auto [rows, columns] = latents.patch_grid();
  auto positions = [&](const char* name, int64_t count) {
    return add(name, PositionTable(count, width))->weight;
  };
  adapter.patch_rows = positions("patch_rows", rows);
  adapter.patch_columns = positions("patch_columns", columns);
  return adapter;
}

const modality::Modality& ModelImpl::latents_of(const Adapter& adapter) const {
  return spec_.vocabulary.modalities()[static_cast<size_t>(adapter.modality)];
}

int64_t ModelImpl::num_items(const ModelInput& input, size_t k) const {
  return input.patches_QP[k].size(0) / latents_of(adapters_[k]).positions_per_item();
}

at::Tensor ModelImpl::own_items(const at::Tensor& items_I, const ModelInput& input, size_t k) const {
  if (adapters_.size() == 1) return items_I;
  int64_t before = 0;
  for (size_t other = 0; other < k; ++other) before += num_items(input, other);
  return items_I.narrow(0, before, num_items(input, k));
}

void ModelInput::move_to(c10::Device device) {
  for (at::Tensor* tensor : {&tokens_T, &timesteps_I}) *tensor = ops::on_device(*tensor, device);
  for (at::Tensor& of_modality : patches_QP) of_modality = ops::on_device(of_modality, device);
}

void initialise(ModelImpl& model, uint64_t seed, const std::function<void(const at::Tensor&)>& done) {
  torch::NoGradGuard no_grad;
  for (nn::Parameter& parameter : nn::parameters_of(model)) {
    initialise(parameter, seed);
    if (done) done(parameter.tensor);
  }
}

void initialise(nn::Parameter& parameter, uint64_t seed) {
  const uint64_t key = stream_key({seed, fnv1a64("initialise"), fnv1a64(parameter.name)});
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(key);
  if (parameter.tensor.device().is_cpu()) return parameter.traits.init(parameter.tensor, generator);
  at::Tensor drawn = torch::empty(parameter.tensor.sizes(), torch::kFloat32);  // the same on every device
  parameter.traits.init(drawn, generator);
  parameter.tensor.copy_(drawn);
}

at::Tensor ModelImpl::embed_timesteps(const ModelInput& input) {
  if (adapters_.empty()) return {};
  std::vector<at::Tensor> parts;
  for (size_t k = 0; k < adapters_.size(); ++k) {
    const at::Tensor features = timestep_features(own_items(input.timesteps_I, input, k));
    const at::Tensor hidden_IE = adapters_[k].time_in->forward(features, input.routing);
    parts.push_back(adapters_[k].time_out->forward(ops::each_item(hidden_IE, hidden_IE.size(0), torch::silu),
                                                   input.routing));
  }
  return parts.size() == 1 ? parts[0] : torch::cat(parts);
}

at::Tensor ModelImpl::embed_patches(const ModelInput& input, const at::Tensor& time_IE, size_t k) {
  Adapter& adapter = adapters_[k];
  const nn::Routing& routing = input.routing;
  const at::Tensor own_time_IE = own_items(time_IE, input, k);
  const int64_t num_images = own_time_IE.size(0), width = spec_.d_model;
  at::Tensor patches_QF = input.patches_QP[k];
  if (adapter.unet) {
    const modality::Modality& latents = latents_of(adapter);
    const at::Tensor latents_ICHW = unpatchify(patches_QF, latents.latent_shape, latents.patch_size);
    PatchSkips& skips = *input.skips;
    skips.unets.resize(adapters_.size());
    patches_QF = adapter.unet->encode(latents_ICHW, own_time_IE, compute_.type, skips.unets[k]);
    skips.patches_QP = input.patches_QP, skips.timesteps_I = input.timesteps_I;
  }
  const at::Tensor patches_QE = adapter.patch_in->forward(patches_QF, routing);
  if (num_images == 0) return patches_QE;
  at::Tensor patches_IQE = patches_QE.view({num_images, -1, width}) + own_time_IE.unsqueeze(1);
  if (spec_.patch_positions)
    patches_IQE =
        patches_IQE + (adapter.patch_rows.unsqueeze(1) + adapter.patch_columns).view({1, -1, width});
  return patches_IQE.view({-1, width});
}

at::Tensor ModelImpl::embed(const ModelInput& input, const at::Tensor& time_IE) {
  if (adapters_.empty()) return ops::embedding_of_parameter(embeddings_, input.tokens_T);
  TORCH_CHECK(input.patches_QP.size() == adapters_.size(), "[model] expected patches of ", adapters_.size(),
              " modalities of latents, got ", input.patches_QP.size());
  std::vector<at::Tensor> parts;
  size_t k = 0;
  for (int64_t m = 0; m < input.routing.num_modalities(); ++m) {
    if (spec_.is_continuous(m)) {
      parts.push_back(embed_patches(input, time_IE, k++));
    } else {
      parts.push_back(ops::embedding_of_parameter(
          embeddings_, input.tokens_T.narrow(0, input.routing.group_begin(m), input.routing.group_size(m))));
    }
  }
  return torch::cat(parts);
}

nn::BlockContext ModelImpl::make_context(const ModelInput& input, const ModelState* state) const {
  std::vector<int64_t> cached = state ? state->num_tokens_S : std::vector<int64_t>();
  nn::BlockContext context;
  if (input.relay) {
    TORCH_CHECK(!state && spec_.mixer_that_cannot_be_cut().empty(),
                "[model] a stretch: expected no state and mixers that pass theirs on, got ",
                state ? "a state" : spec_.mixer_that_cannot_be_cut());
    cached.assign(static_cast<size_t>(input.routing.num_sequences()), 0);
    cached[0] = input.relay->seen();
    context.relay = input.relay;
  }
  context.routing = spec_.has_random_sets() ? nn::with_random_sets(input.routing, cached) : input.routing;
  context.grids = latent_grids(spec_, input.routing);
  context.training = input.training;
  context.balance_weight = input.balance_weight;
  context.experts = input.experts;
  if (spec_.adaptive_norm) nn::find_items(context);
  if (!spec_.has_mixer("attention")) return context;
  context.attention = ops::make_attention_plan(input.routing.order_T, input.routing.offsets_S1, cached,
                                               latent_rows(spec_, input.routing));
  std::vector<int64_t> positions_T;
  for (size_t s = 0; s + 1 < context.attention->offsets_S1.size(); ++s)
    for (int64_t t = context.attention->offsets_S1[s]; t < context.attention->offsets_S1[s + 1]; ++t)
      positions_T.push_back(t - context.attention->offsets_S1[s] + context.attention->num_cached(s));
  const auto& attention = spec_.mixers.get<nn::AttentionConfig>();
  context.rotary_TW = ops::on_device(ops::rotary_table(torch::tensor(positions_T, torch::kInt64),
                                                       spec_.d_model / attention.heads, attention.rope_theta),
                                     device());
  return context;
}

namespace {

// That `block` comes next, in forward; and in backward, that it and all behind it are done: autograd goes back to what was
// computed last first, so the gradient of the block's input comes after all of them.
void announce(const ModelInput& input, int64_t block, const at::Tensor& block_input) {
  if (input.before_block) input.before_block(block);
  if (input.blocks_done && block_input.requires_grad())
    block_input.register_hook([done = input.blocks_done, block](const at::Tensor&) { done(block); });
}

}  // namespace

at::Tensor ModelImpl::forward(const ModelInput& input, ModelState* state) {
  TORCH_CHECK(input.routing.num_modalities() == static_cast<int64_t>(spec_.modalities.size()),
              "[model] expected routing for ", spec_.modalities.size(), " modalities, got ",
              input.routing.num_modalities());
  if (state) {
    state->blocks.resize(blocks_.size());
    state->num_tokens_S.resize(static_cast<size_t>(input.routing.num_sequences()), 0);
  }
  nn::BlockContext context = make_context(input, state);
  const at::Tensor time_IE = embed_timesteps(input);
  at::Tensor branch = embed(input, time_IE).to(compute_.type), residual;
  const bool recompute = compute_.recompute && !state && branch.requires_grad();
  for (size_t i = 0; i < blocks_.size(); ++i) {
    context.block = static_cast<int64_t>(i);
    announce(input, context.block, branch);
    if (recompute) {
      const bool has_residual = residual.defined(), has_time = spec_.adaptive_norm;
      torch::autograd::variable_list from = {branch};
      if (has_residual) from.push_back(residual);
      if (has_time) from.push_back(time_IE);
      const auto outputs = nn::recompute(
          [block = blocks_[i], context, has_residual,
           has_time](const torch::autograd::variable_list& inputs) mutable {
            auto [next_branch, next_residual] =
                block->forward(inputs[0], has_residual ? inputs[1] : at::Tensor(),
                               has_time ? inputs.back() : at::Tensor(), context);
            return torch::autograd::variable_list{next_branch, next_residual};
          },
          from);
      branch = outputs[0], residual = outputs[1];
    } else {
      std::tie(branch, residual) =
          blocks_[i]->forward(branch, residual, time_IE, context, state ? &state->blocks[i] : nullptr);
    }
  }
  announce(input, static_cast<int64_t>(blocks_.size()), branch);
  const int64_t* offsets = input.routing.offsets_S1.const_data_ptr<int64_t>();
  for (size_t s = 0; state && s < state->num_tokens_S.size(); ++s)
    state->num_tokens_S[s] += offsets[s + 1] - offsets[s];
  const at::Tensor hidden_TE = std::get<0>(norm_->forward(branch, residual, input.routing));
  if (spec_.tells_convolutions()) {
    const at::Tensor last_SE = state ? state->hidden_SE : at::Tensor();
    if (!context.before_I.empty()) {
      const at::Tensor before_IE = nn::rows_before_items(hidden_TE, context, last_SE).to(torch::kFloat32);
      for (size_t k = 0; k < adapters_.size(); ++k)
        if (adapters_[k].before_out)
          input.skips->unets[k].time_IE =
              own_items(time_IE, input, k) +
              adapters_[k].before_out->forward(own_items(before_IE, input, k), input.routing);
    }
    if (state) state->hidden_SE = nn::last_rows(hidden_TE, input.routing);
  }
  return hidden_TE;
}

ModelState ModelImpl::initial_state(int64_t num_sequences) const {
  ModelState state;
  for (const nn::Block& block : blocks_)
    state.blocks.push_back(block->mixer->initial_state(num_sequences).on(device()));
  state.num_tokens_S.assign(static_cast<size_t>(num_sequences), 0);
  return state;
}

std::vector<at::Tensor> ModelImpl::head_parameters() const {
  std::vector<at::Tensor> parameters;
  if (!lm_head_.is_same(embeddings_)) parameters.push_back(lm_head_);
  for (const Adapter& adapter : adapters_) {
    for (const nn::ModalityLinear& behind : {adapter.patch_out, adapter.before_out}) {
      if (behind.is_empty()) continue;
      const std::vector<at::Tensor> weights = behind->parameters();
      parameters.insert(parameters.end(), weights.begin(), weights.end());
    }
  }
  return parameters;
}

at::Tensor ModelImpl::logits(const at::Tensor& hidden_RE) {
  return ops::modality_linear_of_parameters(hidden_RE.to(torch::kFloat32), lm_head_, {},
                                            torch::tensor({int64_t{0}, hidden_RE.size(0)}, torch::kInt64));
}

at::Tensor ModelImpl::noise(const at::Tensor& hidden_TE, const ModelInput& input, size_t latents) {
  const nn::Routing& routing = input.routing;
  Adapter& adapter = adapters_[latents];
  const at::Tensor patches_QF = adapter.patch_out->forward(
      hidden_TE.narrow(0, routing.group_begin(adapter.modality), routing.group_size(adapter.modality))
          .to(torch::kFloat32),
      routing);
  if (!adapter.unet) return patches_QF;
  const PatchSkips& skips = *input.skips;
  TORCH_CHECK(skips.patches_QP.size() > latents &&
                  skips.patches_QP[latents].is_same(input.patches_QP[latents]) &&
                  skips.timesteps_I.is_same(input.timesteps_I),
              "[model] noise: expected the input that forward() was called with last, got another");
  return patchify(adapter.unet->decode(patches_QF, skips.unets[latents], compute_.type),
                  latents_of(adapter).patch_size);
}

ops::CrossEntropy ModelImpl::next_token_loss(const at::Tensor& hidden_TE, const at::Tensor& rows_R,
                                             const at::Tensor& targets_R, double scale, double z_weight) {
  return ops::linear_cross_entropy(hidden_TE, lm_head_, rows_R, targets_R,
                                   {scale, z_weight, /*into_leaf=*/true});
}

at::Tensor ModelImpl::noise_loss(const at::Tensor& hidden_TE, const ModelInput& input,
                                 const at::Tensor& noise_QP, double scale, size_t latents) {
  Adapter& adapter = adapters_[latents];
  if (adapter.unet) return scale * (noise(hidden_TE, input, latents) - noise_QP).square().sum();
  const int64_t first = input.routing.group_begin(adapter.modality);
  return ops::linear_squared_error(
      hidden_TE, adapter.patch_out->weight(0), adapter.patch_out->bias(0),
      torch::arange(first, first + input.routing.group_size(adapter.modality),
                    torch::TensorOptions(torch::kInt64).device(hidden_TE.device())),
      noise_QP, scale);
}

std::vector<nn::ItemGrid> latent_grids(const ModelSpec& spec, const nn::Routing& routing) {
  std::vector<nn::ItemGrid> grids;
  for (const modality::Modality* latents : spec.vocabulary.continuous()) {
    const int64_t index = spec.vocabulary.index_of(latents);
    const auto [rows, columns] = latents->patch_grid();
    grids.push_back({routing.group_begin(index), routing.group_begin(index + 1), rows, columns});
  }
  return grids;
}

std::vector<ops::BidirectionalRows> latent_rows(const ModelSpec& spec, const nn::Routing& routing) {
  std::vector<ops::BidirectionalRows> rows;
  for (const nn::ItemGrid& grid : latent_grids(spec, routing))
    rows.push_back({grid.begin, grid.end, grid.rows * grid.columns});
  return rows;
}

}  // namespace mom::models
