#include "mom/models/objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include "mom/base/error.h"
#include "tests/support/tiny_model.h"

namespace mom {
namespace {

using models::Prediction;

TEST(CosineSchedule, FollowsTheFormula) {
  const models::CosineSchedule schedule(1000);
  auto f = [](double t) { return std::pow(std::cos((t / 1000 + 0.008) / 1.008 * M_PI / 2), 2); };
  for (int64_t t : {0, 10, 500, 900, 990})
    EXPECT_NEAR(schedule.alpha_bar(t), f(static_cast<double>(t + 1)) / f(0), 1e-9) << t;
  EXPECT_GT(schedule.alpha_bar(999), 0);  // beta is held at 0.999
  EXPECT_LT(schedule.alpha_bar(999), 1e-5);
}

TEST(CosineSchedule, RemovingTheAddedNoiseGivesTheOriginal) {
  const models::CosineSchedule schedule(1000);
  const at::Tensor clean = torch::randn({3, 2, 4, 4}), noise = torch::randn({3, 2, 4, 4}),
                   t = torch::tensor({0L, 400L, 800L});
  const at::Tensor noised = schedule.add_noise(clean, noise, t);
  for (const Prediction prediction : {Prediction::kNoise, Prediction::kVelocity}) {
    const at::Tensor target = schedule.target(prediction, clean, noise, t);
    EXPECT_TRUE(torch::allclose(schedule.clean(prediction, noised, target, t), clean, 1e-4, 1e-4));
  }
  EXPECT_FALSE(torch::allclose(noised, clean, 1e-1, 1e-1));
}

TEST(CosineSchedule, AVelocityFollowsTheFormula) {
  const models::CosineSchedule schedule(1000);
  const at::Tensor clean = torch::randn({1, 2, 4, 4}), noise = torch::randn({1, 2, 4, 4});
  for (const int64_t t : {0, 400, 800, 999}) {
    const double a = schedule.alpha_bar(t);
    const at::Tensor velocity = schedule.target(Prediction::kVelocity, clean, noise, torch::tensor({t}));
    EXPECT_TRUE(torch::allclose(velocity, noise * std::sqrt(a) - clean * std::sqrt(1 - a), 1e-5, 1e-6));
  }
}

TEST(Patchify, IsRasterOrderAndInvertible) {
  const at::Tensor image = torch::arange(2 * 3 * 4 * 6, torch::kFloat32).view({2, 3, 4, 6});
  const at::Tensor patches = models::patchify(image, 2);
  ASSERT_EQ(patches.sizes(), (std::vector<int64_t>{2 * 2 * 3, 12}));
  EXPECT_TRUE(torch::equal(models::unpatchify(patches, {3, 4, 6}, 2), image));
  // The second patch of the first picture starts two pixels to the right.
  EXPECT_EQ(patches[1][0].item<float>(), image[0][0][0][2].item<float>());
}

using test::small_batch;

TEST(Objective, IsTextMeanPlusWeightedNoiseError) {
  models::Model model = test::tiny_model({"in_proj"});
  const data::Batch batch = small_batch(model->spec());
  models::ObjectiveConfig config;
  config.image_weight = 3;
  const models::Objective objective(config, model->spec().vocabulary);
  const auto loss =
      objective(*model, batch, models::count_terms(batch, model->spec()), models::Timesteps::kUniform);
  const models::NoisedInput noised =
      models::make_input(batch, model->spec(), objective.schedule(), models::Timesteps::kUniform);
  const at::Tensor hidden = model->forward(noised.input);
  const at::Tensor log_p = model->logits(hidden).log_softmax(1);
  const double text = -(log_p[0][3] + log_p[1][9] + log_p[5][11]).item<double>() / 3;
  const double image =
      (model->noise(hidden, noised.input) - noised.target_QP[0]).square().mean().item<double>();
  EXPECT_NEAR(loss.report()[0].mean(), text, 1e-5);
  EXPECT_NEAR(loss.report()[1].mean(), image, 1e-5);
  EXPECT_NEAR(loss.total.item<double>(), text + 3 * image, 1e-4);
  EXPECT_NEAR(objective.combined_loss(loss.report()), text + 3 * image, 1e-4);
}

// What is trained is the velocity's error, what is reported that of the noise that follows from it.
TEST(Objective, OfAVelocityTheErrorOfItsNoiseIsReported) {
  models::ModelSpec spec = test::tiny_spec({"in_proj"});
  spec.prediction = Prediction::kVelocity;
  models::Model model = test::initialised(spec);
  const data::Batch batch = small_batch(spec);
  models::ObjectiveConfig config;
  config.image_weight = 3;
  const models::Objective objective(config, spec.vocabulary);
  const auto loss = objective(*model, batch, models::count_terms(batch, spec), models::Timesteps::kUniform);
  const models::NoisedInput noised =
      models::make_input(batch, spec, objective.schedule(), models::Timesteps::kUniform);
  const at::Tensor velocity = models::unpatchify(
      model->noise(model->forward(noised.input), noised.input).detach(), {2, 4, 4}, spec.patch_size);
  double trained = 0, reported = 0;
  for (int64_t i = 0; i < 2; ++i) {
    const double a = objective.schedule().alpha_bar(noised.input.timesteps_I[i].item<int64_t>());
    const at::Tensor clean = batch.items[0].latents_ICHW[i], noise = noised.noise_ICHW[0][i],
                     x = clean * std::sqrt(a) + noise * std::sqrt(1 - a);
    trained += (noise * std::sqrt(a) - clean * std::sqrt(1 - a) - velocity[i]).square().mean().item<double>();
    reported += (noise - (velocity[i] * std::sqrt(a) + x * std::sqrt(1 - a))).square().mean().item<double>();
  }
  EXPECT_NEAR(loss.total.item<double>(), loss.report()[0].mean() + 3 * trained / 2, 1e-4);
  EXPECT_NEAR(loss.report()[1].mean(), reported / 2, 1e-5);
  EXPECT_GT(std::abs(trained - reported), 0.01);
  loss.total.backward();
  EXPECT_GT(model->named_parameters()["patch_out.weight"].grad().abs().max().item<double>(), 0);
}

// The weight of the clean latent's error is min(SNR, 5), whatever is predicted; the report is as without.
TEST(Objective, MinSnrWeighsTheCleanLatentsError) {
  for (const Prediction prediction : {Prediction::kNoise, Prediction::kVelocity}) {
    models::ModelSpec spec = test::tiny_spec({});
    spec.prediction = prediction;
    models::Model model = test::initialised(spec);
    data::Batch batch = small_batch(spec);
    models::ObjectiveConfig plain, config;
    config.loss_weighting = "min_snr";
    const models::Objective objective(config, spec.vocabulary), unweighted(plain, spec.vocabulary);
    const models::LossReport terms = models::count_terms(batch, spec);
    for (batch.noise_key = 1; batch.noise_key < 5; ++batch.noise_key) {
      const auto loss = objective(*model, batch, terms, models::Timesteps::kUniform);
      const models::NoisedInput noised =
          models::make_input(batch, spec, objective.schedule(), models::Timesteps::kUniform);
      const at::Tensor& t = noised.input.timesteps_I;
      const auto images = [&](const at::Tensor& patches_QP) {
        return models::unpatchify(patches_QP, {2, 4, 4}, spec.patch_size);
      };
      const at::Tensor predicted = images(model->noise(model->forward(noised.input), noised.input).detach());
      const at::Tensor clean =
          objective.schedule().clean(prediction, images(noised.input.patches_QP[0]), predicted, t);
      double weighted = 0;
      for (int64_t i = 0; i < 2; ++i) {
        const double a = objective.schedule().alpha_bar(t[i].item<int64_t>());
        weighted += std::min(a / (1 - a), 5.0) *
                    (clean[i] - batch.items[0].latents_ICHW[i]).square().mean().item<double>() / 2;
      }
      EXPECT_NEAR(loss.total.item<double>(), loss.report()[0].mean() + 5 * weighted, 1e-3 * (1 + weighted));
      EXPECT_NEAR(loss.report()[1].mean(),
                  unweighted(*model, batch, terms, models::Timesteps::kUniform).report()[1].mean(), 1e-5);
    }
  }
}

TEST(Objective, NoImageWeightStillReportsTheImageLoss) {
  models::Model model = test::tiny_model({});
  const data::Batch batch = small_batch(model->spec());
  const models::LossReport terms = models::count_terms(batch, model->spec());
  models::ObjectiveConfig config;
  config.image_weight = 0;
  const auto without =
      models::Objective(config, model->spec().vocabulary)(*model, batch, terms, models::Timesteps::kUniform);
  const auto with =
      models::Objective({}, model->spec().vocabulary)(*model, batch, terms, models::Timesteps::kUniform);
  EXPECT_NEAR(without.report()[1].mean(), with.report()[1].mean(), 1e-6);
  EXPECT_NEAR(without.total.item<double>(), without.report()[0].mean(), 1e-6);
}

TEST(Objective, DrawsDependOnTheBatchAlone) {
  models::Model one = test::tiny_model({}), other = test::tiny_model({"x_proj"}, 9);
  data::Batch batch = small_batch(one->spec());
  const models::CosineSchedule schedule(1000);
  const auto a = models::make_input(batch, one->spec(), schedule, models::Timesteps::kUniform);
  const auto b = models::make_input(batch, other->spec(), schedule, models::Timesteps::kUniform);
  EXPECT_TRUE(torch::equal(a.input.patches_QP[0], b.input.patches_QP[0]));
  EXPECT_TRUE(torch::equal(a.input.timesteps_I, b.input.timesteps_I));
  batch.noise_key = 78;
  EXPECT_FALSE(torch::equal(
      a.target_QP[0],
      models::make_input(batch, one->spec(), schedule, models::Timesteps::kUniform).target_QP[0]));
}

TEST(Objective, StratifiedTimestepsCoverTheSchedule) {
  models::ModelSpec spec = test::tiny_spec({});
  data::Batch batch;
  batch.items = {{torch::zeros({20, 2, 4, 4})}};
  const at::Tensor t =
      models::make_input(batch, spec, models::CosineSchedule(1000), models::Timesteps::kStratified)
          .input.timesteps_I;
  const at::Tensor strata = std::get<0>((t / 50).floor().to(torch::kInt64).sort());
  EXPECT_TRUE(torch::equal(strata, torch::arange(20, torch::kInt64)));
}

// Images 0, 2, 4, ... come before their text.
data::Batch batch_of_images(int64_t count) {
  data::Batch batch;
  batch.items = {{torch::zeros({count, 2, 4, 4})}};
  for (int64_t i = 0; i < count; ++i) batch.items[0].image_first_I.push_back(i % 2 == 0);
  return batch;
}

TEST(Objective, ImagesBeforeTheirTextAreNoisedAtMostToTheCap) {
  const models::ModelSpec spec = test::tiny_spec({});
  const data::Batch batch = batch_of_images(4000);
  const models::CosineSchedule schedule(1000);
  for (const models::Timesteps how : {models::Timesteps::kUniform, models::Timesteps::kStratified}) {
    const at::Tensor all = models::make_input(batch, spec, schedule, how).input.timesteps_I,
                     capped = models::make_input(batch, spec, schedule, how, 500).input.timesteps_I;
    EXPECT_TRUE(torch::equal(all.slice(0, 1, {}, 2), capped.slice(0, 1, {}, 2))) << "others are as without";
    const at::Tensor first = capped.slice(0, 0, {}, 2);
    EXPECT_EQ(first.max().item<int64_t>(), 500);
    EXPECT_EQ(first.min().item<int64_t>(), 0);
    EXPECT_NEAR(first.to(torch::kFloat64).mean().item<double>(), 250, 12);
    EXPECT_TRUE(torch::equal(models::make_input(batch, spec, schedule, how, 5000).input.timesteps_I, all));
  }
}

TEST(Objective, TheCapHoldsInTrainingAndInHeldOutEvaluation) {
  models::Model model = test::tiny_model({});
  data::Batch batch = small_batch(model->spec());
  batch.items[0].image_first_I = {true, true};
  models::ObjectiveConfig config;
  config.image_first_max_timestep = 20;
  const models::Objective capped(config, model->spec().vocabulary);
  const auto expected = [&](models::Timesteps how, int64_t cap) {
    const models::NoisedInput noised = models::make_input(batch, model->spec(), capped.schedule(), how, cap);
    return (model->noise(model->forward(noised.input), noised.input) - noised.target_QP[0])
        .square()
        .mean()
        .item<double>();
  };
  const models::LossReport trained =
      capped(*model, batch, models::count_terms(batch, model->spec()), models::Timesteps::kUniform).report();
  EXPECT_NEAR(trained[1].mean(), expected(models::Timesteps::kUniform, 20), 1e-5);
  EXPECT_GT(std::abs(trained[1].mean() - expected(models::Timesteps::kUniform, 0)), 1e-2);
  EXPECT_NEAR(models::held_out_loss(*model, capped, {batch})[1].mean(),
              expected(models::Timesteps::kStratified, 20), 1e-5);
}

TEST(Objective, AWholeStepsMeanIsSharedByItsMicrobatches) {
  models::Model model = test::tiny_model({});
  const data::Batch batch = small_batch(model->spec());
  const models::Objective objective({}, model->spec().vocabulary);
  const models::LossReport once = models::count_terms(batch, model->spec());
  models::LossReport twice = once;
  models::add(twice, once);
  const double alone = objective(*model, batch, once, models::Timesteps::kUniform).total.item<double>();
  const double half = objective(*model, batch, twice, models::Timesteps::kUniform).total.item<double>();
  EXPECT_NEAR(half, alone / 2, 1e-5);
}

// Three modalities of tokens: one softmax over the joint vocabulary, losses by the modality of the target.
struct Discrete {
  models::ModelSpec spec;
  data::Batch batch;
};
Discrete discrete() {
  Discrete made{test::tiny_spec({"in_proj", "dt_proj"}), {}};
  made.spec.vocabulary = test::with_codes(30, 12, 2, 8);
  made.spec.modalities = made.spec.vocabulary.names();
  const at::Tensor tokens = torch::tensor({2L, 9L, 4L, 31L, 32L, 5L, 6L, 43L, 7L, 3L});
  std::vector<int64_t> modality;
  for (int64_t t = 0; t < tokens.size(0); ++t)
    modality.push_back(made.spec.vocabulary.modality_of(tokens[t].item<int64_t>()));
  made.batch.routing = nn::make_routing(torch::tensor(modality, torch::kInt64), torch::tensor({0L, 10L}), 3);
  made.batch.tokens_T = torch::empty_like(tokens).index_copy_(0, made.batch.routing.order_T, tokens);
  made.batch.target_rows_R = made.batch.routing.order_T.slice(0, 0, 9);
  made.batch.target_ids_R = tokens.slice(0, 1, 10);
  made.batch.target_modalities_R = torch::tensor(std::vector<int64_t>(modality.begin() + 1, modality.end()));
  for (int64_t m = 0; m < 3; ++m) made.batch.num_tokens.push_back(made.batch.routing.group_size(m));
  return made;
}

TEST(Objective, TokensOfEveryModalityShareOneSoftmaxAndAreReportedApart) {
  const Discrete made = discrete();
  models::Model model(made.spec);
  models::initialise(*model, 4);
  const models::Objective objective({}, model->spec().vocabulary);
  const auto terms = models::count_terms(made.batch, made.spec);
  EXPECT_EQ(terms[0].count, 6);
  EXPECT_EQ(terms[1].count, 2);
  EXPECT_EQ(terms[2].count, 1);
  const auto loss = objective(*model, made.batch, terms, models::Timesteps::kUniform);
  const at::Tensor log_p =
      model->logits(model->forward({made.batch.routing, made.batch.tokens_T, {}, {}})).log_softmax(1);
  const at::Tensor nats = -log_p.index_select(0, made.batch.target_rows_R)
                               .gather(1, made.batch.target_ids_R.unsqueeze(1))
                               .squeeze(1);
  EXPECT_NEAR(loss.total.item<double>(), nats.mean().item<double>(), 1e-5);
  EXPECT_NEAR(loss.report()[1].mean(), ((nats[2] + nats[3]) / 2).item<double>(),
              1e-5);  // at <boi> and the first code
  EXPECT_NEAR(loss.report()[2].mean(), nats[6].item<double>(), 1e-5);
  EXPECT_NEAR(objective.combined_loss(loss.report()), nats.mean().item<double>(), 1e-5);
}

TEST(Objective, WeightsCountTheTokensOfAModalityMoreOrLess) {
  const Discrete made = discrete();
  const auto terms = models::count_terms(made.batch, made.spec);
  const auto trained = [&](const config::Weights& weights) {
    models::Model model(made.spec);
    models::initialise(*model, 4);
    models::ObjectiveConfig config;
    config.weights = weights;
    const models::Objective objective(config, made.spec.vocabulary);
    models::BatchLoss loss = objective(*model, made.batch, terms, models::Timesteps::kUniform);
    loss.total.backward();
    EXPECT_NEAR(objective.combined_loss(loss.report()), loss.total.item<double>(), 1e-5);
    return std::pair{loss, model->named_parameters()["lm_head.weight"].grad()};
  };
  const auto [plain, plain_grad] = trained({});
  const auto [ones, ones_grad] = trained({{"text", 1}, {"image", 1}, {"speech", 1}});
  EXPECT_TRUE(torch::equal(ones.total, plain.total));
  EXPECT_TRUE(torch::equal(ones_grad, plain_grad));
  const auto [loss, grad] = trained({{"image", 5}, {"speech", 0}});
  for (size_t m = 0; m < 3; ++m)
    EXPECT_NEAR(loss.report()[m].sum, plain.report()[m].sum, 1e-5) << "unweighted";
  EXPECT_NEAR(loss.total.item<double>(), (plain.report()[0].sum + 5 * plain.report()[1].sum) / 9, 1e-5);
  const auto [texts, text_grad] = trained({{"image", 0}, {"speech", 0}});
  const auto [images, image_grad] = trained({{"text", 0}, {"speech", 0}});
  EXPECT_TRUE(torch::allclose(grad, text_grad + 5 * image_grad, 1e-4, 1e-6));
  EXPECT_THROW(trained({{"video", 1}}), UserError);
  EXPECT_THROW(trained({{"text", -1}}), UserError);
  models::ObjectiveConfig of_latents;
  of_latents.weights = {{"image", 2}};
  EXPECT_THROW(models::Objective(of_latents, test::tiny_spec({}).vocabulary), UserError) << "image_weight";
}

TEST(Objective, ZLossIsTrainedButNotReported) {
  const Discrete made = discrete();
  models::Model model(made.spec);
  models::initialise(*model, 4);
  models::ObjectiveConfig config;
  config.z_loss = 0.01;
  const auto terms = models::count_terms(made.batch, made.spec);
  auto loss = [&](const models::ObjectiveConfig& objective) {
    return models::Objective(objective, made.spec.vocabulary)(*model, made.batch, terms,
                                                              models::Timesteps::kUniform);
  };
  const models::BatchLoss plain = loss({}), with_z = loss(config);
  const at::Tensor log_sum = model->logits(model->forward({made.batch.routing, made.batch.tokens_T, {}, {}}))
                                 .index_select(0, made.batch.target_rows_R)
                                 .logsumexp(1);
  EXPECT_NEAR(with_z.total.item<double>() - plain.total.item<double>(),
              0.01 * log_sum.square().mean().item<double>(), 1e-5);
  EXPECT_EQ(with_z.report()[0].sum, plain.report()[0].sum);
}

TEST(Spec, VocabularyAndCodecsSurviveTheConfig) {
  models::ModelSpec spec = discrete().spec;
  spec.codec_hashes = {{"text", "aa"}, {"image", "bb"}, {"speech", "cc"}};
  const models::ModelSpec back =
      models::spec_from_json(parse_json(models::to_json(spec).dump(), ""), "config.json");
  EXPECT_EQ(back.vocabulary, spec.vocabulary);
  EXPECT_EQ(back.codec_hashes, spec.codec_hashes);
  EXPECT_NO_THROW(models::check_same_codecs(spec, spec.codec_hashes, "data"));
  EXPECT_THROW(models::check_same_codecs(spec, {{"text", "aa"}, {"image", "bb"}}, "data"), InputError);
  // Folders from before the table of modalities.
  Json older = parse_json(models::to_json(spec).dump(), "");
  older.erase("modality_table");
  EXPECT_EQ(models::spec_from_json(older, "config.json").vocabulary.to_json(), spec.vocabulary.to_json());
  const models::ModelSpec continuous = test::tiny_spec({});
  older = parse_json(models::to_json(continuous).dump(), "");
  older.erase("modality_table");
  EXPECT_EQ(models::spec_from_json(older, "config.json").vocabulary, continuous.vocabulary);
  older.erase("latent_shape");
  EXPECT_THROW(models::spec_from_json(older, "config.json"), InputError);
  Json wrong = parse_json(models::to_json(continuous).dump(), "");
  wrong["patch_size"] = 4;
  EXPECT_THROW(models::spec_from_json(wrong, "config.json"), InputError) << "another than the table says";
  Json predicting = parse_json(models::to_json(continuous).dump(), "");
  EXPECT_EQ(predicting["prediction"], "noise");
  predicting.erase("prediction");
  EXPECT_EQ(models::spec_from_json(predicting, "config.json").prediction, Prediction::kNoise)
      << "as older ones do";
  predicting["prediction"] = "velocity";
  const models::ModelSpec of_velocity = models::spec_from_json(predicting, "config.json");
  EXPECT_EQ(of_velocity.prediction, Prediction::kVelocity);
  EXPECT_EQ(models::to_json(of_velocity)["prediction"], "velocity");
  predicting["prediction"] = "epsilon";
  EXPECT_THROW(models::spec_from_json(predicting, "config.json"), InputError);
  wrong = parse_json(models::to_json(spec).dump(), "");
  wrong["vocab_size"] = 51;
  EXPECT_THROW(models::spec_from_json(wrong, "config.json"), InputError);
}

}  // namespace
}  // namespace mom
