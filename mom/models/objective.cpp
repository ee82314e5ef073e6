#include "mom/models/objective.h"

#include <ATen/CPUGeneratorImpl.h>

#include <map>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/config/schema.h"

namespace mom::models {
namespace {

// A batch's key for a modality of latents: the first has the batch's own.
uint64_t key_of(const data::Batch& batch, size_t latents) {
  return latents == 0 ? batch.noise_key : stream_key({batch.noise_key, fnv1a64("latents"), latents});
}

// Evenly from the schedule; of items that come before their text from 0 to image_first_max (0: all). A stretch's items have
// the timesteps that they have in the whole batch.
at::Tensor draw_timesteps(const data::LatentItems& items, uint64_t key, int64_t steps, Timesteps how,
                          int64_t image_first_max) {
  const int64_t num_images = items.before + items.count() + items.behind;
  RandomStream random(stream_key({key, fnv1a64("timesteps")}));
  std::vector<int64_t> stratum(static_cast<size_t>(num_images));
  for (int64_t i = 0; i < num_images; ++i) stratum[static_cast<size_t>(i)] = i;
  random.shuffle(stratum);
  at::Tensor timesteps = torch::empty({items.count()}, torch::kInt64);
  for (int64_t i = 0; i < num_images; ++i) {
    const double u = random.uniform();
    const double position =
        how == Timesteps::kUniform
            ? u
            : (static_cast<double>(stratum[static_cast<size_t>(i)]) + u) / static_cast<double>(num_images);
    const int64_t own = i - items.before;
    if (own < 0 || own >= items.count()) continue;
    const bool capped = image_first_max > 0 && items.image_first_I[static_cast<size_t>(own)];
    const int64_t most = capped ? std::min(steps, image_first_max + 1) : steps;
    timesteps.mutable_data_ptr<int64_t>()[own] =
        std::min(most - 1, static_cast<int64_t>(position * static_cast<double>(most)));
  }
  return timesteps;
}

}  // namespace

void ObjectiveConfig::describe(config::Table& table) {
  table.field("image_weight", image_weight, "weight of the noise-prediction loss of latents (lambda)")
      .range(0, 1e6);
  table.field("weights", weights,
              "weights of the losses of tokens by modality, e.g. {text = 1, speech = 0.5}; 1 where not "
              "named; of latents "
              "it is image_weight, and of several modalities of latents that where they are not named");
  table.field("diffusion_steps", diffusion_steps, "steps of the noise schedule").range(1, 100000);
  table
      .field("schedules", schedules,
             "the same by modality of latents where they are others, e.g. {depth = 250}")
      .range(1, 100000);
  table
      .field("prediction", prediction,
             "what is predicted of noised latents: noise, or velocity (Salimans & Ho 2022); the loss "
             "reported is that "
             "of the noise either way")
      .one_of(prediction_names());
  table
      .field("predictions", predictions,
             "the same by modality of latents where it is another, e.g. {depth = \"velocity\"}")
      .one_of(prediction_names());
  table
      .field("loss_weighting", loss_weighting,
             "of a latent's error by its timestep: uniform, or min_snr (Hang et al. 2023, gamma 5): less "
             "where there "
             "is little noise")
      .one_of({"uniform", "min_snr"});
  table
      .field("image_first_max_timestep", image_first_max_timestep,
             "largest timestep of images that come before their text, so that they can be described "
             "(Transfusion's "
             "ablation: 500 of 1000), also in held-out evaluation: losses of runs compare at equal values; "
             "0: off")
      .range(0, 99999);
  table
      .field("z_loss", z_loss,
             "weight of the squared log-sum of the logits, which keeps them from drifting; 0: off")
      .range(0, 1);
  table.field("balance_weight", balance_weight, "weight of the loss that keeps experts evenly used; 0: off")
      .range(0, 1e3);
}

void add(LossReport& to, const LossReport& from) {
  to.resize(std::max(to.size(), from.size()));
  for (size_t m = 0; m < from.size(); ++m) to[m].add(from[m]);
}

LossReport with_sums(LossReport terms, const at::Tensor& sums_M) {
  const at::Tensor host = sums_M.cpu();
  for (size_t m = 0; m < terms.size(); ++m) terms[m].sum = host.const_data_ptr<double>()[m];
  return terms;
}

LossReport count_terms(const data::Batch& batch, const ModelSpec& spec) {
  LossReport report(spec.modalities.size());
  const int64_t* modality = batch.target_modalities_R.const_data_ptr<int64_t>();
  for (int64_t r = 0; r < batch.target_modalities_R.size(0); ++r)
    ++report[static_cast<size_t>(modality[r])].count;
  const std::vector<const modality::Modality*> continuous = spec.vocabulary.continuous();
  for (size_t k = 0; k < continuous.size(); ++k)
    report[static_cast<size_t>(spec.vocabulary.index_of(continuous[k]))].count =
        static_cast<double>(batch.items[k].latents_ICHW.numel());
  return report;
}

LossReport count_terms(const data::BatchCounts& counts, const ModelSpec& spec) {
  LossReport report(spec.modalities.size());
  for (size_t m = 0; m < report.size(); ++m) report[m].count = static_cast<double>(counts.num_targets[m]);
  const std::vector<const modality::Modality*> continuous = spec.vocabulary.continuous();
  for (size_t k = 0; k < continuous.size(); ++k)
    report[static_cast<size_t>(spec.vocabulary.index_of(continuous[k]))].count =
        static_cast<double>(counts.latent_elements[k]);
  return report;
}

namespace {

// Over all modalities whose positions carry tokens.
LossSum token_sum(const LossReport& report, const modality::Vocabulary& vocabulary) {
  LossSum sum;
  for (size_t m = 0; m < report.size(); ++m)
    if (vocabulary.empty() || !vocabulary.modalities()[m].is_continuous()) sum.add(report[m]);
  return sum;
}

}  // namespace

namespace {

Schedules make_schedules(int64_t steps, const config::Integers& by_name,
                         const modality::Vocabulary& vocabulary) {
  std::vector<CosineSchedule> schedules;
  for (const modality::Modality* latents : vocabulary.continuous()) {
    const auto own = by_name.find(latents->name);
    schedules.emplace_back(own == by_name.end() ? steps : own->second);
  }
  return schedules.empty() ? Schedules(CosineSchedule(steps)) : Schedules(std::move(schedules));
}

}  // namespace

Schedules schedules_of(const ModelSpec& spec) {
  return make_schedules(spec.diffusion_steps, spec.schedules, spec.vocabulary);
}

Objective::Objective(const ObjectiveConfig& config, const modality::Vocabulary& vocabulary)
    : config_(config),
      vocabulary_(vocabulary),
      schedules_(make_schedules(config.diffusion_steps, config.schedules, vocabulary)) {
  const std::vector<const modality::Modality*> continuous = vocabulary.continuous();
  for (const modality::Modality* latents : continuous)
    vocabulary_ = vocabulary_.with_loss_weight(*latents, config.image_weight);
  for (const auto& [name, weight] : config.weights) {
    const modality::Modality* weighted = vocabulary.find(name);
    const std::string key = "objective.weights." + name;
    if (!weighted) throw UserError({key, "a modality of the data", "none of this name", ""});
    if (weighted->is_continuous() && continuous.size() == 1)
      throw UserError({key, "a modality of tokens", "one of latents", "set objective.image_weight"});
    if (weight < 0) throw UserError({key, "0 or more", std::to_string(weight), ""});
    vocabulary_ = vocabulary_.with_loss_weight(*weighted, weight);
  }
}

double Objective::combined_loss(const LossReport& report) const {
  LossReport weighted = report;
  for (size_t m = 0; m < report.size() && !vocabulary_.empty(); ++m)
    weighted[m].sum *= vocabulary_.modalities()[m].loss_weight;
  double loss = token_sum(weighted, vocabulary_).mean();
  for (const modality::Modality* latents : vocabulary_.continuous())
    loss += latents->loss_weight * report[static_cast<size_t>(vocabulary_.index_of(latents))].mean();
  return loss;
}

NoisedInput make_input(const data::Batch& batch, const ModelSpec& spec, const Schedules& schedules,
                       Timesteps how, int64_t image_first_max) {
  NoisedInput noised;
  noised.input.routing = batch.routing;
  noised.input.tokens_T = batch.tokens_T;
  const std::vector<const modality::Modality*> continuous = spec.vocabulary.continuous();
  std::vector<at::Tensor> timesteps;
  for (size_t k = 0; k < continuous.size(); ++k) {
    const data::LatentItems& items = batch.items[k];
    const uint64_t key = key_of(batch, k);
    const CosineSchedule& schedule = schedules.of(k);
    const int64_t most = image_first_max * schedule.steps() / spec.diffusion_steps;
    const at::Tensor timesteps_I = draw_timesteps(items, key, schedule.steps(), how,
                                                  image_first_max > 0 ? std::max<int64_t>(1, most) : 0);
    std::vector<int64_t> drawn =
        items.latents_ICHW.sizes().vec();  // for all items, of which a stretch has some
    drawn[0] += items.before + items.behind;
    const at::Tensor noise =
        torch::randn(drawn, at::make_generator<at::CPUGeneratorImpl>(key), torch::kFloat32)
            .narrow(0, items.before, items.count());
    const int64_t patch = continuous[k]->patch_size;
    noised.noise_ICHW.push_back(noise);
    noised.target_QP.push_back(patchify(
        schedule.target(spec.prediction_of(*continuous[k]), items.latents_ICHW, noise, timesteps_I), patch));
    noised.input.patches_QP.push_back(
        patchify(schedule.add_noise(items.latents_ICHW, noise, timesteps_I), patch));
    timesteps.push_back(timesteps_I);
  }
  if (!timesteps.empty())
    noised.timesteps_I = noised.input.timesteps_I =
        timesteps.size() == 1 ? timesteps[0] : torch::cat(timesteps);
  return noised;
}

namespace {

// Each modality's nats, by the modality of the target. f64, in the order of the rows.
void add_nats(const at::Tensor& sums_M, const at::Tensor& nats_R, const at::Tensor& modalities_R) {
  sums_M.add_(torch::zeros_like(sums_M).index_add_(0, ops::on_device(modalities_R, sums_M.device()),
                                                   nats_R.to(torch::kFloat64)));
}

struct Targets {
  at::Tensor rows_R, ids_R, modalities_R;
};

// A batch's targets by their loss weight.
std::map<double, Targets> targets_by_weight(const data::Batch& batch,
                                            const modality::Vocabulary& vocabulary) {
  std::map<double, std::vector<int64_t>> targets;  // their numbers
  const int64_t* modality = batch.target_modalities_R.const_data_ptr<int64_t>();
  for (int64_t r = 0; r < batch.target_modalities_R.size(0); ++r)
    targets[vocabulary.empty() ? 1 : vocabulary.modalities()[static_cast<size_t>(modality[r])].loss_weight]
        .push_back(r);
  std::map<double, Targets> by_weight;
  for (const auto& [weight, numbers] : targets) {
    const at::Tensor numbers_R = torch::tensor(numbers, torch::kInt64);
    by_weight[weight] = {batch.target_rows_R.index_select(0, numbers_R),
                         batch.target_ids_R.index_select(0, numbers_R),
                         batch.target_modalities_R.index_select(0, numbers_R)};
  }
  return by_weight;
}

struct LatentLoss {
  at::Tensor scaled;         // differentiable
  at::Tensor noise_squares;  // f64 scalar
};

// w(t) of min-SNR weighting, f64 [I].
at::Tensor min_snr_weights(const CosineSchedule& schedule, Prediction prediction,
                           const at::Tensor& timesteps_I) {
  constexpr double kGamma = 5;
  const at::Tensor snr_I = schedule.signal_to_noise(timesteps_I);
  return snr_I.clamp_max(kGamma) / (prediction == Prediction::kNoise ? snr_I : snr_I + 1);
}

LatentLoss latent_loss(ModelImpl& model, const CosineSchedule& schedule, const at::Tensor& hidden_TE,
                       const NoisedInput& noised, size_t latents, bool min_snr, double scale) {
  const Prediction prediction = model.spec().prediction_of(*model.spec().vocabulary.continuous()[latents]);
  if (prediction == Prediction::kNoise && !min_snr) {
    const at::Tensor loss =
        model.noise_loss(hidden_TE, noised.input, noised.target_QP[latents], scale, latents);
    return {loss, loss.detach().to(torch::kFloat64) / scale};
  }
  // Errors by image: each has its own weight, and its own part in the noise's.
  int64_t before = 0;  // items of other modalities
  for (size_t k = 0; k < latents; ++k) before += noised.noise_ICHW[k].size(0);
  const at::Tensor timesteps_I = noised.timesteps_I.narrow(0, before, noised.noise_ICHW[latents].size(0));
  const auto on_device = [&](const at::Tensor& host) { return ops::on_device(host, hidden_TE.device()); };
  const at::Tensor squares_I = (model.noise(hidden_TE, noised.input, latents) - noised.target_QP[latents])
                                   .square()
                                   .view({timesteps_I.size(0), -1})
                                   .sum(1);
  const at::Tensor noise_squares_I =
      squares_I.detach().to(torch::kFloat64) * on_device(schedule.noise_error_ratio(prediction, timesteps_I));
  const at::Tensor weighted_I =
      min_snr ? squares_I * on_device(min_snr_weights(schedule, prediction, timesteps_I).to(torch::kFloat32))
              : squares_I;
  return {scale * weighted_I.sum(), noise_squares_I.sum()};
}

}  // namespace

BatchLoss Objective::operator()(ModelImpl& model, const data::Batch& batch, const LossReport& step_terms,
                                Timesteps how, const BlockCalls& calls) const {
  const ModelSpec& spec = model.spec();
  const LossReport terms = count_terms(batch, spec);
  NoisedInput noised = make_input(batch, spec, schedules_, how, config_.image_first_max_timestep);
  noised.input.before_block = calls.before_block;
  noised.input.blocks_done = calls.blocks_done;
  noised.input.relay = calls.relay;
  if (spec.has_mixer("experts")) {
    noised.input.training = how == Timesteps::kUniform;
    if (noised.input.training) noised.input.experts = std::make_shared<nn::ExpertReport>();
    // A step's microbatches share one mean.
    noised.input.balance_weight = config_.balance_weight * token_sum(terms, vocabulary_).count /
                                  std::max(1.0, token_sum(step_terms, vocabulary_).count);
  }
  const c10::Device device = model.device();
  noised.input.move_to(device);
  for (at::Tensor& target_QP : noised.target_QP) target_QP = ops::on_device(target_QP, device);
  const at::Tensor hidden_TE = model.forward(noised.input);
  const auto f64 = torch::TensorOptions(torch::kFloat64).device(device);
  BatchLoss loss{torch::zeros({}, f64.dtype(torch::kFloat32)),
                 terms,
                 torch::zeros({static_cast<int64_t>(terms.size())}, f64),
                 {}};
  if (noised.input.experts) loss.experts = *noised.input.experts;
  if (batch.target_rows_R.size(0) > 0) {
    const double scale = 1 / token_sum(step_terms, vocabulary_).count;
    for (const auto& [weight, targets] : targets_by_weight(batch, vocabulary_)) {
      const ops::CrossEntropy tokens =
          model.next_token_loss(hidden_TE, targets.rows_R, targets.ids_R, weight * scale, config_.z_loss);
      add_nats(loss.sums_M, tokens.nats_R, targets.modalities_R);
      loss.total = loss.total + tokens.loss;
    }
  }
  const std::vector<const modality::Modality*> continuous = vocabulary_.continuous();
  for (size_t k = 0; k < continuous.size(); ++k) {
    if (batch.items[k].count() == 0) continue;
    const auto index = static_cast<size_t>(vocabulary_.index_of(continuous[k]));
    const double weight = continuous[k]->loss_weight;
    // Without weight it is reported all the same.
    const double scale = (weight > 0 ? weight : 1) / step_terms[index].count;
    const LatentLoss of_latents = latent_loss(model, schedules_.of(k), hidden_TE, noised, k,
                                              config_.loss_weighting == "min_snr", scale);
    loss.sums_M[static_cast<int64_t>(index)].copy_(of_latents.noise_squares);
    if (weight > 0) loss.total = loss.total + of_latents.scaled;
  }
  // A stretch that has nothing to predict passes on the gradients of its neighbours.
  if (calls.relay && !loss.total.requires_grad()) loss.total = loss.total + hidden_TE.narrow(0, 0, 0).sum();
  return loss;
}

LossReport held_out_loss(ModelImpl& model, const Objective& objective,
                         const std::vector<data::Batch>& batches, const BlockCalls& calls) {
  torch::NoGradGuard no_grad;
  LossReport report(model.spec().modalities.size());
  for (const data::Batch& batch : batches) {
    const BatchLoss loss =
        objective(model, batch, count_terms(batch, model.spec()), Timesteps::kStratified, calls);
    add(report, loss.report());
  }
  return report;
}

}  // namespace mom::models
