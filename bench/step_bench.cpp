// The whole training step: forward, backward, clipping, AdamW. train_step has the sizes the peers are timed
// at; mixture_step times dense Mamba and Mixture-of-Mamba in turns, so that the machine's drift is in both.
#include <torch/torch.h>

#include "bench/bench.h"
#include "mom/models/counts.h"
#include "mom/models/objective.h"
#include "mom/train/optimizer.h"

namespace mom::bench {
namespace {

constexpr int64_t kSequences = 8, kLength = 512, kModel = 256, kBlocks = 8, kVocabulary = 512;

// Everything a step needs, on made-up tokens.
struct Step {
  models::Model model;
  train::AdamW optimizer;
  models::Objective objective{models::ObjectiveConfig{}};
  data::Batch batch;
  models::LossReport terms;

  Step(const models::ModelSpec& spec, data::Batch with)
      : model(initialised(spec)),
        optimizer(*model, train::TrainConfig{}),
        batch(std::move(with)),
        terms(models::count_terms(batch, spec)) {}

  static models::Model initialised(const models::ModelSpec& spec) {
    models::Model model(spec);
    models::initialise(*model, 1);
    return model;
  }
  double run() {
    optimizer.zero_grad();
    models::BatchLoss loss = objective(*model, batch, terms, models::Timesteps::kUniform);
    loss.total.backward();
    optimizer.clip_gradients();
    optimizer.step(1e-3);
    return loss.total.item<double>();
  }
};

models::ModelSpec step_spec(bool pictures, bool mixture) {
  models::ModelSpec spec;
  spec.hidden_size = kModel;
  spec.num_blocks = kBlocks;
  spec.intermediate_size = 2 * kModel;
  spec.time_step_rank = kModel / 16;
  spec.vocab_size = kVocabulary;
  if (pictures) {
    spec.setting = "transfusion";
    spec.modalities = {"text", "image"};
    spec.latent_shape = {4, 16, 16};
  }
  if (mixture) {
    spec.model_type = "mixture_of_mamba";
    spec.decoupled = models::all_projections();
  }
  return spec;
}

// Sequences of kLength tokens; with pictures every other span of 64 positions is one.
data::Batch step_batch(const models::ModelSpec& spec) {
  const int64_t num_tokens = kSequences * kLength;
  const at::Tensor position = torch::arange(num_tokens, torch::kInt64);
  const at::Tensor modality =
      spec.has_patches() ? position.div(64, "floor").remainder(2) : torch::zeros_like(position);
  data::Batch batch;
  batch.routing = nn::make_routing(modality, torch::arange(kSequences + 1, torch::kInt64) * kLength,
                                   static_cast<int64_t>(spec.modalities.size()));
  torch::manual_seed(1);
  batch.tokens_T = torch::randint(0, kVocabulary, {num_tokens}, torch::kInt64);
  const int64_t num_text = batch.routing.group_size(0);
  batch.target_rows_R = torch::arange(num_text, torch::kInt64);
  batch.target_ids_R = torch::randint(0, kVocabulary, {num_text}, torch::kInt64);
  if (spec.has_patches())
    batch.latents_ICHW = torch::randn({(num_tokens - num_text) / spec.patches_per_image(), 4, 16, 16});
  return batch;
}

// Analytic, three forwards.
double step_flops(const Step& step) {
  double flops = 0;
  const auto per_token = models::flops_per_token(step.model->spec());
  for (size_t m = 0; m < per_token.size(); ++m)
    flops += 3 * per_token[m].total() *
             static_cast<double>(step.batch.routing.group_size(static_cast<int64_t>(m)));
  return flops;
}

Bench step_bench(const std::string& name, bool pictures, bool mixture) {
  const models::ModelSpec spec = step_spec(pictures, mixture);
  auto step = std::make_shared<Step>(spec, step_batch(spec));
  Bench bench;
  bench.name = name;
  bench.shape = "d 256, 8 blocks, 8x512 f32";
  bench.work.flops = step_flops(*step);
  bench.work.tokens = static_cast<double>(kSequences * kLength);
  bench.check = [step] {  // the step has to learn its batch
    const double first = step->run();
    double last = first;
    for (int i = 0; i < 3; ++i) last = step->run();
    TORCH_CHECK(last < first, "the loss did not fall: ", first, " to ", last);
  };
  bench.run = [step] { step->run(); };
  return bench;
}

}  // namespace

void register_step_benches() {
  Register("train_step", "one training step on text (the sizes of bench/peers)",
           [] { return step_bench("train_step", false, false); });
  Register("step_dense", "one Transfusion step of dense Mamba, half image",
           [] { return step_bench("step_dense", true, false); });
  Register("step_mixture", "the same of Mixture-of-Mamba, in turns with dense", [] {
    Bench bench = step_bench("step_mixture", true, true);
    auto dense = std::make_shared<Bench>(step_bench("step_dense", true, false));
    bench.baseline = dense->run;
    bench.baseline_name = "step_dense";
    return bench;
  });
}

}  // namespace mom::bench
