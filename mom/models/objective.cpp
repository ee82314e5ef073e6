#include "mom/models/objective.h"

#include <ATen/CPUGeneratorImpl.h>

#include "mom/base/random.h"

namespace mom::models {
namespace {

at::Tensor draw_timesteps(int64_t num_images, int64_t steps, uint64_t key, Timesteps how) {
  RandomStream random(stream_key({key, fnv1a64("timesteps")}));
  std::vector<int64_t> stratum(static_cast<size_t>(num_images));
  for (int64_t i = 0; i < num_images; ++i) stratum[static_cast<size_t>(i)] = i;
  random.shuffle(stratum);
  at::Tensor timesteps = torch::empty({num_images}, torch::kInt64);
  for (int64_t i = 0; i < num_images; ++i) {
    const double u = random.uniform();
    const double position =
        how == Timesteps::kUniform
            ? u
            : (static_cast<double>(stratum[static_cast<size_t>(i)]) + u) / static_cast<double>(num_images);
    timesteps.mutable_data_ptr<int64_t>()[i] =
        std::min(steps - 1, static_cast<int64_t>(position * static_cast<double>(steps)));
  }
  return timesteps;
}

}  // namespace

void ObjectiveConfig::describe(config::Table& table) {
  table.field("image_weight", image_weight, "weight of the noise-prediction loss (lambda)").range(0, 1e6);
  table.field("diffusion_steps", diffusion_steps, "steps of the noise schedule").range(1, 100000);
}

void add(LossReport& to, const LossReport& from) {
  to.resize(std::max(to.size(), from.size()));
  for (size_t m = 0; m < from.size(); ++m) to[m].add(from[m]);
}

LossReport count_terms(const data::Batch& batch, const ModelSpec& spec) {
  LossReport report(spec.modalities.size());
  report[static_cast<size_t>(spec.modality_index("text"))].count =
      static_cast<double>(batch.target_rows_R.size(0));
  if (spec.has_patches())
    report[static_cast<size_t>(spec.modality_index("image"))].count =
        static_cast<double>(batch.latents_ICHW.numel());
  return report;
}

double combined_loss(const LossReport& report, const ModelSpec& spec, double image_weight) {
  double loss = report[static_cast<size_t>(spec.modality_index("text"))].mean();
  if (spec.has_patches())
    loss += image_weight * report[static_cast<size_t>(spec.modality_index("image"))].mean();
  return loss;
}

NoisedInput make_input(const data::Batch& batch, const ModelSpec& spec, const CosineSchedule& schedule,
                       Timesteps how) {
  NoisedInput noised;
  noised.input.routing = batch.routing;
  noised.input.tokens_T = batch.tokens_T;
  if (!spec.has_patches()) return noised;
  noised.input.timesteps_I = draw_timesteps(batch.num_images(), schedule.steps(), batch.noise_key, how);
  const at::Tensor noise = torch::randn(
      batch.latents_ICHW.sizes(), at::make_generator<at::CPUGeneratorImpl>(batch.noise_key), torch::kFloat32);
  noised.noise_QP = patchify(noise, spec.patch_size);
  noised.input.patches_QP =
      patchify(schedule.add_noise(batch.latents_ICHW, noise, noised.input.timesteps_I), spec.patch_size);
  return noised;
}

BatchLoss Objective::operator()(ModelImpl& model, const data::Batch& batch, const LossReport& step_terms,
                                Timesteps how) const {
  const ModelSpec& spec = model.spec();
  const size_t text = static_cast<size_t>(spec.modality_index("text"));
  const NoisedInput noised = make_input(batch, spec, schedule_, how);
  const at::Tensor hidden_TE = model.forward(noised.input);
  BatchLoss loss;
  loss.report = count_terms(batch, spec);
  loss.total = torch::zeros({}, torch::kFloat32);
  auto add_term = [&](size_t modality, double weight, const auto& head_loss) {
    LossSum& sum = loss.report[modality];
    if (sum.count == 0) return;
    const double scale = weight / step_terms[modality].count;
    const at::Tensor term = head_loss(scale);
    sum.sum = term.template item<double>() / scale;
    loss.total = loss.total.defined() ? loss.total + term : term;
  };
  add_term(text, 1, [&](double scale) {
    return model.next_token_loss(hidden_TE, batch.target_rows_R, batch.target_ids_R, scale);
  });
  if (spec.has_patches())
    add_term(static_cast<size_t>(spec.modality_index("image")), config_.image_weight, [&](double scale) {
      return model.noise_loss(hidden_TE, batch.routing, noised.noise_QP, scale);
    });
  if (!loss.total.defined()) loss.total = torch::zeros({}, torch::kFloat32);
  return loss;
}

LossReport held_out_loss(ModelImpl& model, const Objective& objective,
                         const std::vector<data::Batch>& batches) {
  torch::NoGradGuard no_grad;
  LossReport report(model.spec().modalities.size());
  for (const data::Batch& batch : batches)
    add(report, objective(model, batch, count_terms(batch, model.spec()), Timesteps::kStratified).report);
  return report;
}

}  // namespace mom::models
