// A batch cut into stretches: nothing is lost, and loss and all gradients are those of the whole batch, with processes that are
// threads.
#include "mom/data/stretch.h"

#include <ATen/CPUGeneratorImpl.h>

#include "mom/base/random.h"
#include "mom/models/objective.h"
#include "mom/train/stretch_relay.h"
#include "tests/support/gradcheck.h"
#include "tests/support/tiny_model.h"
#include "tests/train/ranks.h"

namespace mom {
namespace {

using data::Batch;
using models::Model;
using models::ModelSpec;

// Every position predicts its successor, but before and on patches and at a sequence's end.
Batch batch_of(const test::Sequence& sequence, const ModelSpec& spec) {
  const models::ModelInput input = test::to_input(sequence);
  Batch batch;
  batch.routing = input.routing;
  batch.tokens_T = input.tokens_T;
  std::vector<int64_t> rows, ids;
  const std::set<int64_t> begins(sequence.offsets.begin(), sequence.offsets.end());
  for (size_t t = 0; t + 1 < sequence.tokens.size(); ++t)
    if (sequence.modality[t] == 0 && sequence.modality[t + 1] == 0 &&
        !begins.contains(static_cast<int64_t>(t + 1))) {
      rows.push_back(input.routing.order_T[static_cast<int64_t>(t)].item<int64_t>());
      ids.push_back(sequence.tokens[t + 1]);
    }
  batch.target_rows_R = torch::tensor(rows, torch::kInt64);
  batch.target_ids_R = torch::tensor(ids, torch::kInt64);
  batch.target_modalities_R = torch::zeros({static_cast<int64_t>(rows.size())}, torch::kInt64);
  const modality::Modality& latents = *spec.latents();
  const int64_t images = batch.routing.group_size(1) / latents.positions_per_item();
  std::vector<int64_t> sizes = {images};
  sizes.insert(sizes.end(), latents.latent_shape.begin(), latents.latent_shape.end());
  torch::manual_seed(3);
  batch.items = {{torch::randn(sizes)}};
  for (int64_t i = 0; i < images; ++i) batch.items[0].image_first_I.push_back(i % 2 == 0);
  batch.noise_key = 5;
  return batch;
}

// Texts of these lengths.
test::Sequence texts(const ModelSpec& spec, const std::vector<int64_t>& lengths) {
  test::Sequence sequence;
  for (const int64_t length : lengths) test::append(sequence, spec, length, false, 0);
  return sequence;
}
// One sequence: text, an image, text, an image, text.
test::Sequence images_in_one(const ModelSpec& spec) {
  test::Sequence sequence;
  test::append(sequence, spec, 7, true, 4, /*end=*/false);
  test::append(sequence, spec, 2, true, 9);
  return sequence;
}
std::map<std::string, test::Sequence> sequences(const ModelSpec& spec) {
  return {{"one", texts(spec, {37})},
          {"one of three positions", texts(spec, {3})},
          {"one of one position", texts(spec, {1})},
          {"packed", texts(spec, {5, 1, 30, 2, 3})},
          {"packed behind a long one", texts(spec, {40, 3, 2})},
          {"images", images_in_one(spec)},
          {"packed images", test::mixed(spec)}};
}

at::Tensor by_position(const at::Tensor& rows, const Batch& batch) {
  return rows.index_select(0, batch.routing.order_T);
}

TEST(Stretches, HoldEveryPositionOnceWithItsNeighbours) {
  const ModelSpec spec = test::tiny_spec({});
  const int64_t patches = spec.latents()->positions_per_item();
  for (const auto& [name, sequence] : sequences(spec)) {
    SCOPED_TRACE(name);
    const Batch whole = batch_of(sequence, spec);
    const std::vector<nn::ItemGrid> grids = models::latent_grids(spec, whole.routing);
    const int64_t num_tokens = whole.routing.num_tokens();
    for (const int64_t count : {1, 2, 3, 5, 8}) {
      SCOPED_TRACE(count);
      int64_t begin = 0, targets = 0, images = 0;
      std::vector<at::Tensor> tokens, latents;
      bool expected_to_go_on = false;
      for (int64_t index = 0; index < count; ++index) {
        const Batch stretch = data::stretch_of(whole, grids, index, count);
        const int64_t length = stretch.routing.num_tokens(), end = begin + length;
        EXPECT_EQ(stretch.seen > 0, expected_to_go_on);
        expected_to_go_on = stretch.goes_on;
        EXPECT_LE(std::abs(end - num_tokens * (index + 1) / count), patches + 1);
        tokens.push_back(by_position(stretch.tokens_T, stretch));
        latents.push_back(stretch.items[0].latents_ICHW);
        EXPECT_EQ(stretch.items[0].before, images);
        EXPECT_EQ(stretch.routing.group_size(1), stretch.num_images() * patches);
        images += stretch.num_images();
        EXPECT_EQ(images + stretch.items[0].behind, whole.num_images());
        EXPECT_EQ(static_cast<int64_t>(stretch.items[0].image_first_I.size()), stretch.num_images());
        // Sequences begin where they do in the whole batch, and nowhere else.
        const int64_t* offsets = stretch.routing.offsets_S1.const_data_ptr<int64_t>();
        std::set<int64_t> begins;
        for (int64_t s = stretch.seen > 0 ? 1 : 0; s < stretch.routing.num_sequences(); ++s)
          if (offsets[s] < length) begins.insert(begin + offsets[s]);
        std::set<int64_t> wanted;
        for (const int64_t offset : sequence.offsets)
          if (offset >= begin && offset < end) wanted.insert(offset);
        EXPECT_EQ(begins, wanted);
        if (stretch.seen >
            0) {  // counted from where its first sequence begins, and no image begins without the position before it
          EXPECT_EQ(std::count(sequence.offsets.begin(), sequence.offsets.end(), begin - stretch.seen), 1);
          EXPECT_TRUE(length == 0 || sequence.modality[static_cast<size_t>(begin)] == 0);
        }
        // A target is the token behind its row, also across a cut.
        std::map<int64_t, int64_t> position_of_row;
        for (int64_t t = 0; t < length; ++t)
          position_of_row[stretch.routing.order_T[t].item<int64_t>()] = begin + t;
        for (int64_t r = 0; r < stretch.target_rows_R.size(0); ++r) {
          const int64_t t = position_of_row.at(stretch.target_rows_R[r].item<int64_t>());
          EXPECT_EQ(stretch.target_ids_R[r].item<int64_t>(), sequence.tokens[static_cast<size_t>(t + 1)]);
        }
        targets += stretch.target_rows_R.size(0);
        begin = end;
      }
      EXPECT_FALSE(expected_to_go_on);
      EXPECT_TRUE(torch::equal(torch::cat(tokens), by_position(whole.tokens_T, whole)));
      EXPECT_TRUE(torch::equal(torch::cat(latents), whole.items[0].latents_ICHW));
      EXPECT_EQ(targets, whole.target_rows_R.size(0));
    }
  }
}

TEST(Stretches, HaveTheNoiseAndTimestepsOfTheWhole) {
  const ModelSpec spec = test::tiny_spec({});
  const Batch whole = batch_of(test::mixed(spec), spec);
  const models::CosineSchedule schedule(1000);
  for (const auto how : {models::Timesteps::kUniform, models::Timesteps::kStratified}) {
    const models::NoisedInput expected = models::make_input(whole, spec, schedule, how, 500);
    std::vector<at::Tensor> patches, timesteps, targets;
    for (int64_t index = 0; index < 3; ++index) {
      const models::NoisedInput noised =
          models::make_input(data::stretch_of(whole, models::latent_grids(spec, whole.routing), index, 3),
                             spec, schedule, how, 500);
      patches.push_back(noised.input.patches_QP[0]);
      timesteps.push_back(noised.input.timesteps_I);
      targets.push_back(noised.target_QP[0]);
    }
    EXPECT_TRUE(torch::equal(torch::cat(patches), expected.input.patches_QP[0]));
    EXPECT_TRUE(torch::equal(torch::cat(timesteps), expected.input.timesteps_I));
    EXPECT_TRUE(torch::equal(torch::cat(targets), expected.target_QP[0]));
  }
}

// A mixer's outputs by position, weighted to a sum, and the gradients of its input by position and of its parameters.
struct MixerResult {
  at::Tensor y, dx;
  std::map<std::string, at::Tensor> gradients;
};

MixerResult run_mixer(nn::Mixer& mixer, const ModelSpec& spec, const Batch& batch,
                      const at::Tensor& x_by_position, const at::Tensor& weights, const nn::RelayPtr& relay) {
  const at::Tensor x = x_by_position.detach().clone().set_requires_grad(true);
  nn::BlockContext context;
  context.routing = batch.routing;
  context.grids = models::latent_grids(spec, batch.routing);
  context.relay = relay;
  const at::Tensor y = by_position(
      mixer.forward(torch::zeros_like(x).index_copy(0, batch.routing.order_T, x), context), batch);
  (y * weights).sum().backward();
  MixerResult result{y.detach(), x.grad(), {}};
  for (const auto& item : mixer.named_parameters())
    result.gradients[item.key()] =
        item.value().grad().defined() ? item.value().grad() : torch::zeros_like(item.value());
  return result;
}

std::shared_ptr<nn::Mixer> mixer_of(const ModelSpec& spec, at::ScalarType type) {
  nn::Trunk trunk = spec.trunk();
  trunk.turn = 1;  // reads images backwards, where scans alternate
  const std::shared_ptr<nn::Mixer> mixer = spec.mixer_config(0).make(trunk);
  torch::NoGradGuard no_grad;
  for (nn::Parameter& parameter : nn::parameters_of(*mixer))
    parameter.traits.init(parameter.tensor,
                          at::make_generator<at::CPUGeneratorImpl>(fnv1a64(parameter.name)));
  mixer->to(type);
  return mixer;
}

void expect_same_mixer(const ModelSpec& spec, at::ScalarType type, double limit) {
  for (const auto& [name, sequence] : sequences(spec)) {
    SCOPED_TRACE(name);
    const Batch whole = batch_of(sequence, spec);
    const int64_t num_tokens = whole.routing.num_tokens();
    torch::manual_seed(7);
    const at::Tensor x = torch::randn({num_tokens, spec.d_model}, type),
                     weights = torch::randn({num_tokens, spec.d_model}, type);
    const MixerResult expected = run_mixer(*mixer_of(spec, type), spec, whole, x, weights, {});
    for (const int count : {2, 3}) {
      SCOPED_TRACE(count);
      std::vector<MixerResult> results(static_cast<size_t>(count));
      test::on_ranks(count, [&](int rank, const std::shared_ptr<dist::Group>& group) {
        int64_t begin = 0;
        const std::vector<nn::ItemGrid> grids = models::latent_grids(spec, whole.routing);
        for (int before = 0; before < rank; ++before)
          begin += data::stretch_of(whole, grids, before, count).routing.num_tokens();
        const Batch stretch = data::stretch_of(whole, grids, rank, count);
        const int64_t length = stretch.routing.num_tokens();
        const auto relay = c10::make_intrusive<train::StretchRelay>(*group, count, stretch);
        results[static_cast<size_t>(rank)] =
            run_mixer(*mixer_of(spec, type), spec, stretch, x.narrow(0, begin, length),
                      weights.narrow(0, begin, length), relay);
        relay->finish();
      });
      std::vector<at::Tensor> y, dx;
      std::map<std::string, at::Tensor> gradients;
      for (const MixerResult& result : results) {
        y.push_back(result.y);
        dx.push_back(result.dx);
        for (const auto& [parameter, gradient] : result.gradients)
          gradients[parameter] = gradients.contains(parameter) ? gradients[parameter] + gradient : gradient;
      }
      EXPECT_LE(test::nmse(torch::cat(y), expected.y), limit);
      EXPECT_LE(test::nmse(torch::cat(dx), expected.dx), limit);
      for (const auto& [parameter, gradient] : expected.gradients)
        EXPECT_LE(test::nmse(gradients.at(parameter), gradient), limit) << parameter;
    }
  }
}

TEST(Stretches, AMixerComputesWhatItDoesOnTheWhole) {
  const ModelSpec spec = test::tiny_spec(models::all_projections(), "alternate");
  expect_same_mixer(spec, torch::kFloat64, 1e-24);
  expect_same_mixer(spec, torch::kFloat32, test::kF32Nmse);
}

// Of a model on a batch: losses and the gradients of all parameters, f64 sums of what the stretches have.
struct Outcome {
  std::vector<double> losses;
  std::map<std::string, at::Tensor> gradients;
};

Outcome outcome(Model& model, const Batch& whole, int count, int rank,
                const std::shared_ptr<dist::Group>& group) {
  const models::Objective objective({}, model->spec().vocabulary);
  const models::LossReport terms = models::count_terms(whole, model->spec());
  Batch batch = whole;
  models::BlockCalls calls;
  c10::intrusive_ptr<train::StretchRelay> relay;
  if (group) {
    batch = data::stretch_of(whole, models::latent_grids(model->spec(), whole.routing), rank, count);
    calls.relay = relay = c10::make_intrusive<train::StretchRelay>(*group, count, batch);
  }
  const models::BatchLoss loss = objective(*model, batch, terms, models::Timesteps::kUniform, calls);
  loss.total.backward();
  if (relay) relay->finish();
  Outcome result{{loss.total.item<double>()}, {}};
  for (const models::LossSum& of_modality : loss.report())
    result.losses.insert(result.losses.end(), {of_modality.sum, of_modality.count});
  for (const auto& item : model->named_parameters()) {
    const at::Tensor& gradient = item.value().grad();
    result.gradients[item.key()] = gradient.defined() ? gradient.to(torch::kFloat64)
                                                      : torch::zeros(item.value().sizes(), torch::kFloat64);
  }
  return result;
}

void expect_same_model(const ModelSpec& spec, const models::Compute& compute, double limit) {
  for (const auto& [name, sequence] : sequences(spec)) {
    if (sequence.tokens.size() < 2) continue;  // nothing to learn
    SCOPED_TRACE(name);
    const Batch whole = batch_of(sequence, spec);
    Model alone = test::initialised(spec);
    alone->set_compute(compute);
    const Outcome expected = outcome(alone, whole, 1, 0, nullptr);
    for (const int count : {2, 3}) {
      SCOPED_TRACE(count);
      std::vector<Model> models;
      for (int i = 0; i < count; ++i) {
        models.push_back(test::initialised(spec));
        models.back()->set_compute(compute);
      }
      std::vector<Outcome> outcomes(static_cast<size_t>(count));
      test::on_ranks(count, [&](int rank, const std::shared_ptr<dist::Group>& group) {
        outcomes[static_cast<size_t>(rank)] =
            outcome(models[static_cast<size_t>(rank)], whole, count, rank, group);
      });
      for (size_t i = 0; i < expected.losses.size(); ++i) {
        double sum = 0;
        for (const Outcome& each : outcomes) sum += each.losses[i];
        EXPECT_NEAR(sum, expected.losses[i], std::sqrt(limit) * std::abs(expected.losses[i])) << i;
      }
      for (const auto& [parameter, gradient] : expected.gradients) {
        at::Tensor sum = torch::zeros_like(gradient);
        for (const Outcome& each : outcomes) sum += each.gradients.at(parameter);
        EXPECT_LE(test::nmse(sum, gradient), limit) << parameter;
      }
    }
  }
}

TEST(Stretches, LossAndAllGradientsAreThoseOfTheWhole) {
  for (const test::Variant& variant : test::all_variants()) {
    const ModelSpec spec = test::tiny_backbone(variant);
    if (variant.backbone != "mixture_of_mamba" && variant.name() != "mamba") continue;
    SCOPED_TRACE(variant.name());
    expect_same_model(spec, {}, test::kF32Nmse);
  }
}

TEST(Stretches, SoTheyAreWithRecomputationAndInBfloat16) {
  const ModelSpec spec = test::tiny_backbone({"mixture_of_mamba", "four", models::kConvPatches, true});
  expect_same_model(spec, {torch::kFloat32, /*recompute=*/true}, test::kF32Nmse);
  // Gradients through four blocks: bf16 is off f32 by up to 1.2e-3 here, stretches off the whole by up to 1.04e-4 (measured, with
  // AVX2).
  expect_same_model(spec, {torch::kBFloat16, /*recompute=*/true}, 4e-4);
}

TEST(Stretches, OtherMixersRefuseThem) {
  std::set<std::string> cut;
  for (const std::string& backbone : models::backbone_names()) {
    const ModelSpec spec = test::tiny_backbone(backbone);
    if (spec.mixer_that_cannot_be_cut().empty()) {
      cut.insert(backbone);
      continue;
    }
    const Batch whole = batch_of(test::mixed(spec), spec);
    EXPECT_THROW(test::on_ranks(2,
                                [&](int rank, const std::shared_ptr<dist::Group>& group) {
                                  Model model = test::initialised(spec);
                                  outcome(model, whole, 2, rank, group);
                                }),
                 c10::Error)
        << backbone;
  }
  EXPECT_EQ(cut, (std::set<std::string>{"mamba", "mixture_of_mamba"}));
}

}  // namespace
}  // namespace mom
