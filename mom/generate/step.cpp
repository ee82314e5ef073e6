#include "mom/generate/step.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>

#include "mom/models/diffusion.h"

namespace mom::generate {
namespace {

// The feeds laid out one after another, in order of positions.
struct Positions {
  std::vector<int64_t> tokens_T, modality_T, offsets_S1 = {0};
  std::vector<at::Tensor> latents_ICHW;
  std::vector<int64_t> timesteps_I;
};

// Plain language models have no table: all they know is text.
int64_t modality_of(const models::ModelSpec& spec, int32_t token) {
  return spec.vocabulary.empty() ? 0 : spec.vocabulary.modality_of(token);
}

Positions lay_out(const models::ModelSpec& spec, const std::vector<Feed>& feeds_S) {
  Positions positions;
  auto append = [&](int64_t token, int64_t modality, int64_t count) {
    positions.tokens_T.insert(positions.tokens_T.end(), static_cast<size_t>(count), token);
    positions.modality_T.insert(positions.modality_T.end(), static_cast<size_t>(count), modality);
  };
  for (const Feed& feed : feeds_S) {
    TORCH_CHECK(!feed.empty(), "[step] expected tokens for every sequence, got none");
    for (const int32_t token : feed.tokens) {
      if (token == kPicture) {
        append(0, spec.latents_index(), spec.latents()->positions_per_item());
      } else {
        append(token, modality_of(spec, token), 1);
      }
    }
    for (const Picture& picture : feed.pictures) {
      positions.latents_ICHW.push_back(picture.latent_CHW);
      positions.timesteps_I.push_back(picture.timestep);
    }
    positions.offsets_S1.push_back(static_cast<int64_t>(positions.tokens_T.size()));
  }
  return positions;
}

}  // namespace

models::ModelInput packed(const models::ModelSpec& spec, const std::vector<Feed>& feeds_S) {
  const Positions positions = lay_out(spec, feeds_S);
  models::ModelInput input;
  input.routing = nn::make_routing(torch::tensor(positions.modality_T, torch::kInt64),
                                   torch::tensor(positions.offsets_S1, torch::kInt64),
                                   static_cast<int64_t>(spec.modalities.size()));
  const at::Tensor tokens_T = torch::tensor(positions.tokens_T, torch::kInt64);
  input.tokens_T = torch::empty_like(tokens_T).index_copy_(0, input.routing.order_T, tokens_T);
  if (!spec.latents()) return input;
  input.timesteps_I = torch::tensor(positions.timesteps_I, torch::kInt64);
  input.patches_QP = positions.latents_ICHW.empty()
                         ? torch::zeros({0, spec.latents()->patch_width()})
                         : models::patchify(torch::stack(positions.latents_ICHW), spec.latents()->patch_size);
  return input;
}

StepOutput step(models::ModelImpl& model, DecodeState& state, const std::vector<Feed>& feeds_S,
                ops::Rowwise way) {
  const torch::NoGradGuard no_grad;
  const ops::ScopedRowwise rowwise(way);
  const models::ModelSpec& spec = model.spec();
  TORCH_CHECK(static_cast<int64_t>(feeds_S.size()) == state.num_sequences(), "[step] expected ",
              state.num_sequences(), " feeds, got ", feeds_S.size());
  const models::ModelInput input = packed(spec, feeds_S);
  const at::Tensor hidden_TE = model.forward(input, &state.model);
  StepOutput output;
  const bool wants_logits = std::any_of(feeds_S.begin(), feeds_S.end(),
                                        [](const Feed& feed) { return feed.tokens.back() != kPicture; });
  if (wants_logits) output.logits_SV = model.logits(nn::last_rows(hidden_TE, input.routing));
  if (input.patches_QP.defined() && input.patches_QP.size(0) > 0)
    output.predicted_ICHW = models::unpatchify(model.noise(hidden_TE, input), spec.latents()->latent_shape,
                                               spec.latents()->patch_size);
  return output;
}

}  // namespace mom::generate
