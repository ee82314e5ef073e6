// What is learned: the next token of the joint vocabulary, and the noise on latents where a modality has
// them, or the velocity (prediction.h).
//   loss = mean over target tokens of loss_weight * (-log p(next token)  [+ z_loss * log_sum^2])
//          + sum over modalities of latents of loss_weight * mean over elements of w(t) (target - prediction)^2
//          [+ balance_weight * sum over blocks of the experts' balance loss (nn/experts.h)]
// w(t) is 1, or with loss_weighting "min_snr" what makes the clean latent's error count min(SNR, 5), where SNR = a /
// (1 - a): min(SNR, 5) / SNR of noise, min(SNR, 5) / (SNR + 1) of velocity (Hang et al. 2023, arXiv 2303.09556).
// What is reported of latents is the unweighted error of the noise, whatever is predicted: a velocity and the noised
// latent imply it, and so the losses of both compare.
// A token's loss counts to the modality of the token that is predicted: an image code to image, the specials
// to text. No token is predicted where a patch of latents comes next and on patches; one timestep per item;
// noise is added to the latent before it is cut into patches. An image that comes before its text may be noised
// less (image_first_max_timestep), in training and in held-out evaluation alike, so that there is something to
// describe; at most so far, still evenly. Sources: Transfusion (arXiv 2408.11039, section 4.3.4),
// Chameleon (arXiv 2405.09818); what Mixture-of-Mamba leaves open: docs/decisions/.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "mom/config/fwd.h"
#include "mom/data/batch.h"
#include "mom/models/diffusion.h"
#include "mom/models/model.h"

namespace mom::models {

// [objective] of a recipe.
struct ObjectiveConfig {
  double image_weight = 5;  // the loss weight of modalities of latents
  config::Weights
      weights;  // of modalities of tokens, 1 where not named, and of several modalities of latents
  int64_t diffusion_steps = 1000;
  config::Integers schedules;  // by modality of latents where diffusion_steps are others
  std::string prediction = "noise";
  config::Names predictions;  // the same by modality of latents where it is another
  std::string loss_weighting = "uniform";
  int64_t image_first_max_timestep = 0;  // 0: off
  double z_loss = 0;
  double balance_weight = 0.01;
  void describe(config::Table& table);
};

// Sums and counts of one modality's loss; the mean is what is reported. Tokens: nats and target tokens.
// Latents: squares of the (implied) noise's error and elements.
struct LossSum {
  double sum = 0, count = 0;
  double mean() const { return count > 0 ? sum / count : 0; }
  void add(const LossSum& other) { sum += other.sum, count += other.count; }
};
using LossReport = std::vector<LossSum>;  // by modality

// How many loss terms a batch has, known before the forward pass: a step's microbatches share one mean.
LossReport count_terms(const data::Batch& batch, const ModelSpec& spec);
LossReport count_terms(const data::BatchCounts& counts, const ModelSpec& spec);
void add(LossReport& to, const LossReport& from);

enum class Timesteps {
  kUniform,     // training: one independent draw per item
  kStratified,  // held-out: spread evenly over the schedule, so that few items give a steady mean
};

// ModelInput's, of the same names.
struct BlockCalls {
  std::function<void(int64_t)> before_block, blocks_done;
  nn::RelayPtr relay;
};

// Counts with their sums, f64 [M], which come from their device: this waits for it.
LossReport with_sums(LossReport terms, const at::Tensor& sums_M);

struct BatchLoss {
  LossReport report() const { return with_sums(terms, sums_M); }

  at::Tensor total;          // scalar, differentiable; already divided by the step's counts
  LossReport terms;          // this batch's counts
  at::Tensor sums_M;         // f64: this batch's sums, on the model's device
  nn::ExpertReport experts;  // backbones with experts, in training: how their routers spread this batch
};

class Objective {
 public:
  // `vocabulary`: the model's. Its loss weights are filled in from the config. UserError: weights of modalities that it
  // does not have, or of its only modality of latents.
  Objective(const ObjectiveConfig& config, const modality::Vocabulary& vocabulary);
  // `step_terms`: counts over all microbatches of the step (only .count is read). `calls`: ModelInput's.
  BatchLoss operator()(ModelImpl& model, const data::Batch& batch, const LossReport& step_terms,
                       Timesteps timesteps, const BlockCalls& calls = {}) const;
  // Mean over all target tokens of loss_weight * nats + for each modality of latents loss_weight * mean over elements of
  // the noise's squared error. It is the scalar that is trained, without z-loss and balance loss, where noise is predicted and weighted
  // evenly.
  double combined_loss(const LossReport& report) const;
  const ObjectiveConfig& config() const { return config_; }
  const Schedules& schedules() const { return schedules_; }
  const CosineSchedule& schedule(size_t latents = 0) const { return schedules_.of(latents); }

 private:
  ObjectiveConfig config_;
  modality::Vocabulary vocabulary_;
  Schedules schedules_;
};

// Those that a model was trained with.
Schedules schedules_of(const ModelSpec& spec);

// The noised input of a batch, drawn from its noise_key alone. `image_first_max`: the objective's
// image_first_max_timestep, of spec.diffusion_steps; of a schedule with others the same share.
struct NoisedInput {
  ModelInput input;
  at::Tensor timesteps_I;  // input's, in host memory
  // By number of the modality of latents.
  std::vector<at::Tensor> noise_ICHW;
  std::vector<at::Tensor> target_QP;  // what the model is to predict
};
NoisedInput make_input(const data::Batch& batch, const ModelSpec& spec, const Schedules& schedules,
                       Timesteps timesteps, int64_t image_first_max = 0);

// Mean losses of held-out batches, without gradients. `calls`: as of Objective.
LossReport held_out_loss(ModelImpl& model, const Objective& objective,
                         const std::vector<data::Batch>& batches, const BlockCalls& calls = {});

}  // namespace mom::models
