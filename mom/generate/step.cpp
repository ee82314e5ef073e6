#include "mom/generate/step.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <optional>

#include "mom/models/diffusion.h"

namespace mom::generate {
namespace {

// The feeds laid out one after another, in order of positions.
struct Positions {
  std::vector<int64_t> tokens_T, modality_T, offsets_S1 = {0};
  std::vector<std::vector<const Picture*>> pictures;  // by number of their modality
};

// Plain language models have no table: all they know is text.
int64_t modality_of(const models::ModelSpec& spec, int32_t token) {
  return spec.vocabulary.empty() ? 0 : spec.vocabulary.modality_of(token);
}

Positions lay_out(const models::ModelSpec& spec, const std::vector<Feed>& feeds_S) {
  Positions positions;
  positions.pictures.resize(spec.vocabulary.continuous().size());
  auto append = [&](int64_t token, int64_t modality, int64_t count) {
    positions.tokens_T.insert(positions.tokens_T.end(), static_cast<size_t>(count), token);
    positions.modality_T.insert(positions.modality_T.end(), static_cast<size_t>(count), modality);
  };
  for (const Feed& feed : feeds_S) {
    TORCH_CHECK(!feed.empty(), "[step] expected tokens for every sequence, got none");
    auto picture = feed.pictures.begin();
    for (const int32_t token : feed.tokens) {
      if (token != kPicture) {
        append(token, modality_of(spec, token), 1);
        continue;
      }
      const modality::Modality& modality = modality_of(spec, *picture);
      append(0, spec.vocabulary.index_of(&modality), modality.positions_per_item());
      positions.pictures[picture->latents].push_back(&*picture);
      ++picture;
    }
    positions.offsets_S1.push_back(static_cast<int64_t>(positions.tokens_T.size()));
  }
  return positions;
}

}  // namespace

const modality::Modality& modality_of(const models::ModelSpec& spec, const Picture& picture) {
  return *spec.vocabulary.continuous().at(picture.latents);
}

int64_t positions_of(const Feed& feed, const models::ModelSpec& spec) {
  int64_t positions = std::ssize(feed.tokens) - std::ssize(feed.pictures);
  for (const Picture& picture : feed.pictures) positions += modality_of(spec, picture).positions_per_item();
  return positions;
}

models::ModelInput packed(const models::ModelSpec& spec, const std::vector<Feed>& feeds_S) {
  const Positions positions = lay_out(spec, feeds_S);
  models::ModelInput input;
  input.routing = nn::make_routing(torch::tensor(positions.modality_T, torch::kInt64),
                                   torch::tensor(positions.offsets_S1, torch::kInt64),
                                   static_cast<int64_t>(spec.modalities.size()));
  const at::Tensor tokens_T = torch::tensor(positions.tokens_T, torch::kInt64);
  input.tokens_T = torch::empty_like(tokens_T).index_copy_(0, input.routing.order_T, tokens_T);
  const std::vector<const modality::Modality*> continuous = spec.vocabulary.continuous();
  std::vector<int64_t> timesteps;
  for (size_t k = 0; k < continuous.size(); ++k) {
    std::vector<at::Tensor> latents;
    for (const Picture* picture : positions.pictures[k]) {
      latents.push_back(picture->latent_CHW);
      timesteps.push_back(picture->timestep);
    }
    input.patches_QP.push_back(latents.empty()
                                   ? torch::zeros({0, continuous[k]->patch_width()})
                                   : models::patchify(torch::stack(latents), continuous[k]->patch_size));
  }
  if (!continuous.empty()) input.timesteps_I = torch::tensor(timesteps, torch::kInt64);
  return input;
}

StepOutput step(models::ModelImpl& model, DecodeState& state, const std::vector<Feed>& feeds_S,
                const ops::PackedWeights& weights) {
  const torch::NoGradGuard no_grad;
  std::optional<ops::ScopedRowwise> rowwise;
  if (model.device().is_cpu()) rowwise.emplace(weights);
  const models::ModelSpec& spec = model.spec();
  TORCH_CHECK(static_cast<int64_t>(feeds_S.size()) == state.num_sequences(), "[step] expected ",
              state.num_sequences(), " feeds, got ", feeds_S.size());
  models::ModelInput input = packed(spec, feeds_S);
  input.move_to(model.device());
  const at::Tensor hidden_TE = model.forward(input, &state.model);
  StepOutput output;
  const bool wants_logits = std::any_of(feeds_S.begin(), feeds_S.end(),
                                        [](const Feed& feed) { return feed.tokens.back() != kPicture; });
  if (wants_logits) output.logits_SV = model.logits(nn::last_rows(hidden_TE, input.routing)).cpu();
  const std::vector<const modality::Modality*> continuous = spec.vocabulary.continuous();
  std::vector<at::Tensor> predicted_ICHW(continuous.size());
  for (size_t k = 0; k < continuous.size(); ++k)
    if (input.patches_QP[k].size(0) > 0)
      predicted_ICHW[k] = models::unpatchify(model.noise(hidden_TE, input, k).cpu(),
                                             continuous[k]->latent_shape, continuous[k]->patch_size);
  std::vector<int64_t> next(continuous.size(), 0);
  for (const Feed& feed : feeds_S)
    for (const Picture& picture : feed.pictures)
      output.predicted.push_back(predicted_ICHW[picture.latents][next[picture.latents]++]);
  return output;
}

}  // namespace mom::generate
