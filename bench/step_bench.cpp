// The whole training step: forward, backward, clipping, AdamW. train_step* have the sizes the peers are timed
// at (bench/peers); benches with a baseline time two kinds of step in turns, so that the drift of the
// machine's speed is in both.
#include <torch/types.h>
#include <torch/utils.h>

#include "bench/bench.h"
#include "mom/models/counts.h"
#include "mom/models/objective.h"
#include "mom/train/average.h"
#include "mom/train/optimizer.h"

namespace mom::bench {
namespace {

struct Size {
  int64_t sequences = 8, length = 512, d_model = 256, blocks = 8, vocabulary = 512;
  bool tied = false;
  models::Compute compute{};
  std::string backbone = "mamba";

  std::string text() const {
    return (backbone == "mamba" ? "" : backbone + ", ") + "d " + std::to_string(d_model) + ", " +
           std::to_string(blocks) + " blocks, " + std::to_string(sequences) + "x" + std::to_string(length) +
           (compute.type == at::kBFloat16 ? " bf16" : " f32");
  }
};

// How tokens of several modalities follow each other.
struct Mix {
  std::vector<double> shares{1.0};      // of the modalities
  int64_t shortest = 64, longest = 64;  // of a span
};

// Everything needed for a step, on synthetic tokens.
struct Step {
  models::Model model;
  train::FlatParameters parameters{model};
  at::Tensor gradient = parameters.zeros();
  train::AdamW optimizer{parameters, train::TrainConfig{}};
  models::Objective objective{models::ObjectiveConfig{}, {}};
  std::vector<data::Batch> batches;  // in turns: group sizes change from step to step, as they do in training
  size_t next = 0;

  Step(const models::ModelSpec& spec, const models::Compute& compute, std::vector<data::Batch> with)
      : model(initialised(spec, compute)), batches(std::move(with)) {
    parameters.collect_gradients(*model, gradient);
  }

  static models::Model initialised(const models::ModelSpec& spec, const models::Compute& compute) {
    models::Model model(spec);
    models::initialise(*model, 1);
    model->set_compute(compute);
    return model;
  }
  double run() {
    const data::Batch& batch = batches[next++ % batches.size()];
    gradient.zero_();
    models::BatchLoss loss =
        objective(*model, batch, models::count_terms(batch, model->spec()), models::Timesteps::kUniform);
    loss.total.backward();
    double squares = 0;
    squares += train::chunk_squares(gradient, {0, parameters.length()}).sum().item<double>();
    optimizer.step(gradient, 1e-3, std::sqrt(squares));
    return loss.total.item<double>();
  }
};

models::ModelSpec spec_of(const Size& size, const Mix& mix) {
  models::ModelSpec config;
  config.backbone = size.backbone;
  config.d_model = size.d_model;
  config.layers = size.blocks / 2;
  config.tie_word_embeddings = size.tied;
  models::ModelSpec spec = config.resolved();
  spec.vocab_size = size.vocabulary;
  spec.modalities.clear();
  for (size_t m = 0; m < mix.shares.size(); ++m) spec.modalities.push_back("modality" + std::to_string(m));
  return spec;
}

// Spans of one modality each; a modality's chance of the next span is its share.
at::Tensor modalities_of(const Mix& mix, int64_t num_tokens) {
  const at::Tensor modality = torch::zeros({num_tokens}, torch::kInt64);
  const at::Tensor shares = torch::tensor(mix.shares, torch::kFloat64);
  for (int64_t t = 0; t < num_tokens && mix.shares.size() > 1;) {
    const int64_t length =
        std::min(num_tokens - t, torch::randint(mix.shortest, mix.longest + 1, {}).item<int64_t>());
    modality.narrow(0, t, length).fill_(torch::multinomial(shares, 1).item<int64_t>());
    t += length;
  }
  return modality;
}

data::Batch batch_of(const Size& size, const Mix& mix) {
  const int64_t num_tokens = size.sequences * size.length;
  data::Batch batch;
  batch.routing = nn::make_routing(modalities_of(mix, num_tokens),
                                   torch::arange(size.sequences + 1, torch::kInt64) * size.length,
                                   static_cast<int64_t>(mix.shares.size()));
  batch.tokens_T = torch::randint(0, size.vocabulary, {num_tokens}, torch::kInt64);
  batch.target_rows_R = torch::arange(num_tokens, torch::kInt64);
  batch.target_ids_R = torch::randint(0, size.vocabulary, {num_tokens}, torch::kInt64);
  batch.target_modalities_R = torch::zeros({num_tokens}, torch::kInt64);
  return batch;
}

// Counted, three forward passes.
double step_flops(const Step& step) {
  double flops = 0;
  const auto per_token = models::flops_per_token(step.model->spec());
  for (size_t m = 0; m < per_token.size(); ++m)
    flops += 3 * per_token[m].total() *
             static_cast<double>(step.batches[0].routing.group_size(static_cast<int64_t>(m)));
  flops += 3 * per_token[0].pair * models::attended_pairs(step.model->spec(), step.batches[0].routing);
  return flops;
}

Bench step_bench(const std::string& name, const Size& size, const Mix& mix = {}) {
  torch::manual_seed(1);
  std::vector<data::Batch> batches;
  const int num_batches = mix.shares.size() > 1 ? 8 : 1;
  for (int i = 0; i < num_batches; ++i) batches.push_back(batch_of(size, mix));
  auto step = std::make_shared<Step>(spec_of(size, mix), size.compute, std::move(batches));
  Bench bench;
  bench.name = name;
  bench.shape = size.text();
  bench.work.flops = step_flops(*step);
  bench.work.tokens = static_cast<double>(size.sequences * size.length);
  if (size.compute.type == at::kFloat) bench.work.multiply_adds = bench.work.flops / 2;
  bench.check = [step, num_batches] {  // the step has to learn its batches
    double first = 0, last = 0;
    for (int i = 0; i < num_batches; ++i) first += step->run();
    for (int i = 0; i < num_batches; ++i) step->run();
    for (int i = 0; i < num_batches; ++i) last += step->run();
    TORCH_CHECK(last < first, "the loss did not fall: ", first, " to ", last);
  };
  bench.run = [step] { step->run(); };
  return bench;
}

// The pass over the weights alone: beside a whole step it would be lost in the noise.
Bench average_bench() {
  const Size size;
  models::Model model = Step::initialised(spec_of(size, {}), {});
  auto parameters = std::make_shared<train::FlatParameters>(model);
  auto average = std::make_shared<train::WeightAverage>(*parameters, 0.999);
  Bench bench;
  bench.name = "weight_average";
  bench.shape = size.text();
  for (const at::Tensor& weight : model->parameters())
    bench.work.bytes += 3 * 4 * static_cast<double>(weight.numel());  // both are read, one is written
  bench.run = [parameters, average] { average->update(10000); };
  return bench;
}

Bench against(Bench bench, const std::function<Bench()>& make_baseline) {
  auto baseline = std::make_shared<Bench>(make_baseline());
  bench.baseline = baseline->run;
  bench.baseline_name = baseline->name;
  return bench;
}

void add_step(const std::string& name, const std::string& help, const Size& size) {
  Register(name, help, [=] { return step_bench(name, size); });
}

// A backbone with more weights than its dense twin, at equal active FLOPs, in turns with it.
void add_against_twin(const std::string& name, const std::string& backbone, const std::string& twin,
                      const Mix& mix) {
  Register(name, backbone + "'s step in turns with " + twin + "'s", [=] {
    return against(step_bench(name, Size{.backbone = backbone}, mix),
                   [&] { return step_bench(twin, Size{.backbone = twin}, mix); });
  });
}

}  // namespace

void register_step_benches() {
  const Size medium{.sequences = 4, .length = 512, .d_model = 768, .blocks = 8};
  add_step("train_step", "one training step, d 256 (the sizes of bench/peers)", Size{});
  add_step("train_step_130m", "the same, the 130M shape on 1 x 512 tokens",
           {.sequences = 1, .d_model = 768, .blocks = 24, .vocabulary = 50280, .tied = true});
  add_step("train_step_4096", "the same, d 256, one sequence of 4,096", {.sequences = 1, .length = 4096});
  add_step("train_step_768", "the same, d 768, 8 blocks, 4 x 512 tokens", medium);
  add_step("train_step_transformer", "the same, a Transformer of 4 layers, d 256",
           {.backbone = "transformer"});
  add_step("train_step_transformer_4096", "the same, one sequence of 4,096",
           {.sequences = 1, .length = 4096, .backbone = "transformer"});
  Register("train_step_bf16", "d 768 in bfloat16, in turns with float32", [medium] {
    Size rounded = medium;
    rounded.compute.type = at::kBFloat16;
    return against(step_bench("train_step_bf16", rounded), [&] { return step_bench("float32", medium); });
  });
  Register("step_recompute", "d 256 with recomputation, in turns with kept activations", [] {
    Size again;
    again.compute.recompute = true;
    return against(step_bench("step_recompute", again), [] { return step_bench("kept", Size{}); });
  });
  Register("weight_average", "what train.ema_decay adds to train_step", average_bench);
  Register("step_length_65536", "2 blocks, one sequence of 65,536, in turns with 128 of 512", [] {
    const Size one{.sequences = 1, .length = 65536, .blocks = 2},
        many{.sequences = 128, .length = 512, .blocks = 2};
    return against(step_bench("step_length_65536", one), [&] { return step_bench("128 x 512", many); });
  });
  add_against_twin("step_mixture_2_even", "mixture_of_mamba", "mamba", {.shares = {0.5, 0.5}});
  add_against_twin("step_mixture_2_95_5", "mixture_of_mamba", "mamba", {.shares = {0.95, 0.05}});
  add_against_twin("step_mixture_2_spans_1_8", "mixture_of_mamba", "mamba",
                   {.shares = {0.5, 0.5}, .shortest = 1, .longest = 8});
  add_against_twin("step_mixture_3_even", "mixture_of_mamba", "mamba", {.shares = {0.34, 0.33, 0.33}});
  add_against_twin("step_mixture_3_95_5", "mixture_of_mamba", "mamba", {.shares = {0.9, 0.05, 0.05}});
  const Mix even{.shares = {0.5, 0.5}};
  add_against_twin("step_mixture_of_transformers", "mixture_of_transformers", "transformer", even);
  add_against_twin("step_moe_transformer", "moe_transformer", "transformer", even);
  add_against_twin("step_moe_mamba", "moe_mamba", "mamba", even);
  add_step("train_step_ssm", "the linear state-space model, d 256", {.backbone = "ssm"});
}

}  // namespace mom::bench
