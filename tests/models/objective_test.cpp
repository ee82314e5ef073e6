#include "mom/models/objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/tiny_model.h"

namespace mom {
namespace {

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
  EXPECT_TRUE(torch::allclose(schedule.remove_noise(noised, noise, t), clean, 1e-4, 1e-4));
  EXPECT_FALSE(torch::allclose(noised, clean, 1e-1, 1e-1));
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
  const models::Objective objective(config);
  const auto loss =
      objective(*model, batch, models::count_terms(batch, model->spec()), models::Timesteps::kUniform);
  const models::NoisedInput noised =
      models::make_input(batch, model->spec(), objective.schedule(), models::Timesteps::kUniform);
  const at::Tensor hidden = model->forward(noised.input);
  const at::Tensor log_p = model->logits(hidden).log_softmax(1);
  const double text = -(log_p[0][3] + log_p[1][9] + log_p[5][11]).item<double>() / 3;
  const double image = (model->noise(hidden, batch.routing) - noised.noise_QP).square().mean().item<double>();
  EXPECT_NEAR(loss.report[0].mean(), text, 1e-5);
  EXPECT_NEAR(loss.report[1].mean(), image, 1e-5);
  EXPECT_NEAR(loss.total.item<double>(), text + 3 * image, 1e-4);
  EXPECT_NEAR(models::combined_loss(loss.report, model->spec(), 3), text + 3 * image, 1e-4);
}

TEST(Objective, DrawsDependOnTheBatchAlone) {
  models::Model one = test::tiny_model({}), other = test::tiny_model({"x_proj"}, 9);
  data::Batch batch = small_batch(one->spec());
  const models::CosineSchedule schedule(1000);
  const auto a = models::make_input(batch, one->spec(), schedule, models::Timesteps::kUniform);
  const auto b = models::make_input(batch, other->spec(), schedule, models::Timesteps::kUniform);
  EXPECT_TRUE(torch::equal(a.input.patches_QP, b.input.patches_QP));
  EXPECT_TRUE(torch::equal(a.input.timesteps_I, b.input.timesteps_I));
  batch.noise_key = 78;
  EXPECT_FALSE(torch::equal(
      a.noise_QP, models::make_input(batch, one->spec(), schedule, models::Timesteps::kUniform).noise_QP));
}

TEST(Objective, StratifiedTimestepsCoverTheSchedule) {
  models::ModelSpec spec = test::tiny_spec({});
  data::Batch batch;
  batch.latents_ICHW = torch::zeros({20, 2, 4, 4});
  const at::Tensor t =
      models::make_input(batch, spec, models::CosineSchedule(1000), models::Timesteps::kStratified)
          .input.timesteps_I;
  const at::Tensor strata = std::get<0>((t / 50).floor().to(torch::kInt64).sort());
  EXPECT_TRUE(torch::equal(strata, torch::arange(20, torch::kInt64)));
}

TEST(Objective, AWholeStepsMeanIsSharedByItsMicrobatches) {
  models::Model model = test::tiny_model({});
  const data::Batch batch = small_batch(model->spec());
  const models::Objective objective{models::ObjectiveConfig{}};
  const models::LossReport once = models::count_terms(batch, model->spec());
  models::LossReport twice = once;
  models::add(twice, once);
  const double alone = objective(*model, batch, once, models::Timesteps::kUniform).total.item<double>();
  const double half = objective(*model, batch, twice, models::Timesteps::kUniform).total.item<double>();
  EXPECT_NEAR(half, alone / 2, 1e-5);
}

}  // namespace
}  // namespace mom
