// The moving average of the weights: its formula, what checkpoints keep of it, and that it costs the training nothing.
#include "mom/train/average.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <fstream>

#include "mom/base/error.h"
#include "mom/train/checkpoint.h"
#include "mom/train/held_out.h"
#include "mom/train/plan.h"
#include "mom/train/run.h"
#include "tests/support/tiny_model.h"
#include "tests/train/train_fixture.h"

namespace mom {
namespace {

class AverageTest : public test::TrainTest {
 protected:
  static train::Recipe averaging() {
    train::Recipe averaging = recipe();
    averaging.train.ema_decay = 0.5;  // reached at once: (1 + n) / (10 + n) is 0.5 from step 8 on
    return averaging;
  }
  static std::map<std::string, at::Tensor> averages(train::Trainer& trainer) {
    const train::WeightAverage::InUse averaged(*trainer.average());
    return weights(trainer);
  }
  static Path newest(const test::TempFolder& run) {
    return train::list_checkpoints(run.path()).back().folder;
  }
};

void expect_equal(const std::map<std::string, at::Tensor>& expected,
                  const std::map<std::string, at::Tensor>& found) {
  for (const auto& [name, tensor] : expected) EXPECT_TRUE(torch::equal(tensor, found.at(name))) << name;
}

std::map<std::string, at::Tensor> of_model(models::Model model) {
  std::map<std::string, at::Tensor> weights;
  for (auto& item : model->named_parameters()) weights[item.key()] = item.value().detach();
  return weights;
}

TEST_F(AverageTest, FollowsTheFormulaAndIsSwappedInWithoutMovingANumber) {
  train::Trainer trainer(recipe(), dataset_);
  train::WeightAverage average(trainer.parameters(), 0.3);
  std::map<std::string, at::Tensor> expected;
  for (const auto& [name, tensor] : weights(trainer)) expected[name] = tensor.to(torch::kFloat64);
  for (int64_t n = 1; n <= 5; ++n) {
    trainer.step();
    average.update(n);
    const double decay = std::min(0.3, (1.0 + static_cast<double>(n)) / (10.0 + static_cast<double>(n)));
    for (const auto& [name, tensor] : weights(trainer))
      expected[name] += (1 - decay) * (tensor - expected[name]);
  }
  const auto before = weights(trainer);
  const at::Tensor table = trainer.model().named_parameters()["backbone.embeddings.weight"];
  const void* memory = table.const_data_ptr();
  {
    const train::WeightAverage::InUse averaged(average);
    EXPECT_NE(table.const_data_ptr(), memory);
    for (const auto& [name, tensor] : weights(trainer)) {
      EXPECT_TRUE(torch::allclose(tensor.to(torch::kFloat64), expected[name], 1e-5, 1e-6)) << name;
    }
    EXPECT_FALSE(torch::equal(weights(trainer).at("lm_head.weight"), before.at("lm_head.weight")));
  }
  EXPECT_EQ(table.const_data_ptr(), memory);
  expect_equal(before, weights(trainer));
}

TEST_F(AverageTest, ResumesBitForBitAndLeavesTheTrainingAsItIs) {
  test::TempFolder run, run_of_whole;
  train::Trainer plain(recipe(), dataset_), whole(averaging(), dataset_), first(averaging(), dataset_),
      second(averaging(), dataset_);
  for (int i = 0; i < 8; ++i) plain.step(), whole.step();
  expect_equal(weights(plain), weights(whole));
  for (int i = 0; i < 4; ++i) first.step();
  first.save(run.path());
  second.resume(newest(run));
  for (int i = 0; i < 4; ++i) second.step();
  expect_equal(weights(whole), weights(second));
  expect_equal(averages(whole), averages(second));
  second.save(run.path());
  whole.save(run_of_whole.path());
  for (const char* name : {"model.safetensors", "last.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(read_file(newest(run) / name), read_file(newest(run_of_whole) / name)) << name;
}

TEST_F(AverageTest, TheModelOfACheckpointIsTheAverage) {
  test::TempFolder run, without;
  train::Trainer trainer(averaging(), dataset_), plain(recipe(), dataset_);
  for (int i = 0; i < 3; ++i) trainer.step(), plain.step();
  trainer.save(run.path());
  plain.save(without.path());
  expect_equal(averages(trainer), of_model(models::load_model(newest(run))));
  expect_equal(weights(trainer), of_model(models::load_model(newest(run), models::WeightsOf::kLastStep)));
  EXPECT_THROW(models::load_model(newest(without), models::WeightsOf::kLastStep), InputError);
  // It is part of what the manifest vouches for.
  const Path last = newest(run) / "last.safetensors";
  std::string content = read_file(last);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  std::ofstream(last, std::ios::binary) << content;
  EXPECT_THROW(train::verify_checkpoint(newest(run)), InputError);
  std::filesystem::remove(last);
  EXPECT_THROW(train::verify_checkpoint(newest(run)), InputError);
}

TEST_F(AverageTest, MayBeginOrEndWhereARunIsResumed) {
  test::TempFolder run, with;
  train::Trainer plain(recipe(), dataset_), averaged(averaging(), dataset_);
  for (int i = 0; i < 2; ++i) plain.step(), averaged.step();
  plain.save(run.path());
  averaged.save(with.path());
  train::Trainer begins(averaging(), dataset_), ends(recipe(), dataset_);
  begins.resume(newest(run));
  expect_equal(weights(plain), averages(begins));
  ends.resume(newest(with));
  expect_equal(weights(averaged), weights(ends));
}

TEST_F(AverageTest, IsPlannedFor) {
  const train::Memory with = train::make_plan(averaging(), *dataset_).memory,
                      without = train::make_plan(recipe(), *dataset_).memory;
  EXPECT_EQ(with.average, without.weights);
  EXPECT_EQ(with.total(), without.total() + without.weights);
}

TEST_F(AverageTest, HeldOutLossesWhileTrainingAreThoseOfTheAverage) {
  test::TempFolder folder;
  const Path toml = folder.path() / "recipe.toml", run = folder.path() / "run";
  publish_file(toml, train::dump_recipe(averaging()));
  train::run_training({.recipe = toml, .run = run, .overrides = {"train.steps=4"}});
  double logged = 0;
  std::string set;
  for_each_line(run / "metrics.jsonl", [&](std::string_view line, uint64_t) {
    const Json json = parse_json(line, "metrics");
    if (json["kind"] == "eval" && json["step"] == 4) logged = json["loss"], set = json["set"];
  });
  const train::Recipe again = train::load_recipe(run / "recipe.toml", {});
  const auto loss_of = [&](models::WeightsOf which) {
    models::Model model = models::load_model(train::find_model_folder(run), which);
    const models::Objective objective(again.objective, model->spec().vocabulary);
    for (const train::HeldOutSet& held_out : train::held_out_sets(*dataset_, again, again.eval.max_tokens))
      if (held_out.name == set)
        return objective.combined_loss(models::held_out_loss(*model, objective, held_out.batches));
    return 0.0;
  };
  EXPECT_NEAR(loss_of(models::WeightsOf::kModel), logged, 1e-9);
  EXPECT_GT(std::abs(loss_of(models::WeightsOf::kLastStep) - logged), 1e-6);
}

}  // namespace
}  // namespace mom
