// Generation and evaluation on the fake device, beside the CPU's.
#include <gtest/gtest.h>
#include <torch/types.h>

#include "mom/eval/evaluate.h"
#include "mom/generate/generate.h"
#include "mom/generate/network.h"
#include "mom/quality/quality.h"
#include "mom/train/run.h"
#include "tests/cuda/fake_device.h"
#include "tests/cuda/model_on.h"
#include "tests/support/tiny_generation.h"
#include "tests/train/train_fixture.h"

namespace mom {
namespace {

class GenerationOnTheDevice : public testing::TestWithParam<test::Variant> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }
};
INSTANTIATE_TEST_SUITE_P(Backbones, GenerationOnTheDevice, testing::ValuesIn(test::all_variants()),
                         [](const auto& variant) { return variant.param.name(); });

void expect_near(const at::Tensor& found, const at::Tensor& expected) {
  ASSERT_TRUE(found.device().is_cpu());
  const double size = expected.abs().max().item<double>();
  EXPECT_LE((found - expected).abs().max().item<double>(), 1e-4 * (1 + size));
}

TEST_P(GenerationOnTheDevice, PromptsPicturesAndTokens) {
  models::Model model = test::lively_model(test::generation_spec(GetParam(), /*patches=*/true), 1);
  const models::ModelSpec& spec = model->spec();
  generate::Network here(model), there(test::model_on(test::fake_device(), model));
  generate::DecodeState state = generate::initial_state(*model, 2),
                        state_there = generate::initial_state(*there.model(), 2);
  std::vector<generate::Feed> feeds(2);
  torch::manual_seed(7);
  for (const int32_t token : {2, 11, 4}) feeds[0].append(token);
  feeds[0].append(generate::Picture{torch::randn(spec.latents()->latent_shape), 300});
  for (const int32_t token : {2, 19, 30, 23}) feeds[1].append(token);
  const generate::StepOutput expected = here.read(state, feeds), found = there.read(state_there, feeds);
  expect_near(found.logits_SV, expected.logits_SV);
  ASSERT_EQ(found.predicted.size(), 1u);
  expect_near(found.predicted[0], expected.predicted[0]);
  for (const int32_t token : {5, 12}) {
    const at::Tensor logits = here.decode(state, {token, token + 1});
    expect_near(there.decode(state_there, {token, token + 1}), logits);
  }
}

using RunOnTheDevice = test::TrainTest;

TEST_F(RunOnTheDevice, IsEvaluatedAndGeneratesAsOnTheCpu) {
  test::TempFolder folder;
  const Path toml = folder.path() / "recipe.toml", run = folder.path() / "run";
  publish_file(toml, train::dump_recipe(recipe()));
  const std::string device = test::fake_device().str();
  train::run_training({.recipe = toml, .run = run, .overrides = {"train.device=" + device, "train.steps=3"}});
  eval::EvalOptions evaluation;
  evaluation.run = run;
  evaluation.samples = 1;
  const OrderedJson expected = eval::evaluate_run(evaluation);
  evaluation.device = device;
  const OrderedJson found = eval::evaluate_run(evaluation);
  for (const auto& [modality, loss] : expected["loss"].items())
    EXPECT_NEAR(found["loss"][modality].get<double>(), loss.get<double>(), 1e-4) << modality;
  EXPECT_TRUE(std::filesystem::exists(run / "samples"));

  generate::GenerateOptions options;
  options.run = run;
  options.prompt = "red";
  options.max_tokens = 6;
  options.sampling.temperature = 0;
  const OrderedJson text = generate::generate(options);
  options.device = device;
  EXPECT_EQ(generate::generate(options)["tokens"], text["tokens"]);
  options.modality = "image";
  options.steps = 3;
  options.out = folder.path() / "image.png";
  generate::generate(options);
  EXPECT_TRUE(std::filesystem::exists(options.out));
}

TEST_F(RunOnTheDevice, ItsCaptionsAreMeasuredAsOnTheCpu) {
  test::TempFolder folder;
  for (const std::string setting : {"transfusion", "chameleon"}) {
    const Path toml = folder.path() / "recipe.toml", run = folder.path() / setting;
    train::Recipe recipe = TrainTest::recipe();
    recipe.setting = setting;
    if (setting == "chameleon") recipe.data.path = test::make_tiny_spoken(folder.path() / "spoken").string();
    publish_file(toml, train::dump_recipe(recipe));
    train::run_training({.recipe = toml, .run = run, .overrides = {"train.steps=3"}});
    quality::QualityOptions options;
    options.run = run;
    options.pictures = 4;
    const OrderedJson expected = quality::evaluate_caption_use(options)["caption_use"];
    options.device = test::fake_device().str();
    const OrderedJson found = quality::evaluate_caption_use(options)["caption_use"];
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [bucket, use] : expected.items())
      for (const char* caption : {"right", "shuffled"})
        EXPECT_NEAR(found[bucket][caption].get<double>(), use[caption].get<double>(), 1e-4) << bucket;
  }
}

}  // namespace
}  // namespace mom
