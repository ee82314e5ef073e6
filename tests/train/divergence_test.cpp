// Numbers that are not finite: nothing is updated or saved, every backbone notices, and a run may go back.
#include <limits>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/models/backbones.h"
#include "mom/train/checkpoint.h"
#include "mom/train/rollbacks.h"
#include "mom/train/run.h"
#include "tests/train/train_fixture.h"

namespace mom {
namespace {

const float kBad[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                      -std::numeric_limits<float>::infinity()};

class DivergenceTest : public test::TrainTest {
 protected:
  // One number of a weight.
  static void spoil(train::Trainer& trainer, const std::string& name, float value) {
    const torch::NoGradGuard no_grad;
    trainer.model().named_parameters()[name].view({-1})[7].fill_(value);
  }
  // One that every token passes.
  static std::string a_norm(train::Trainer& trainer) {
    for (const auto& item : trainer.model().named_parameters())
      if (item.key().find("layers.1.norm") != std::string::npos) return item.key();
    throw std::logic_error("no norm");
  }
  static Json data_position(const Path& run, size_t checkpoint) {
    return read_json(train::list_checkpoints(run)[checkpoint].folder / "state.json")["data"];
  }
};

// 7 backbones x 3 values x 3 moments: before the first step, after one, before the last.
TEST_F(DivergenceTest, OneBadWeightStopsEveryBackboneBeforeTheUpdate) {
  int trials = 0;
  for (const std::string& backbone : models::backbone_names())
    for (const float bad : kBad)
      for (const int done : {0, 1, 3}) {
        train::Recipe recipe = TrainTest::recipe(backbone);
        recipe.train.steps = 4;
        recipe.data.batch_tokens = 256;
        train::Trainer trainer(recipe, dataset_);
        for (int i = 0; i < done; ++i) trainer.step();
        const std::string name = a_norm(trainer);
        SCOPED_TRACE(backbone + " " + name + " " + std::to_string(bad) + " after " + std::to_string(done));
        spoil(trainer, name, bad);
        const auto before = weights(trainer);
        EXPECT_THROW(trainer.step(), DivergedError);
        EXPECT_EQ(trainer.steps_done(), done);
        for (const auto& [other, tensor] : weights(trainer))
          EXPECT_TRUE(torch::equal(tensor.nan_to_num(), before.at(other).nan_to_num())) << other;
        ++trials;
      }
  EXPECT_EQ(trials, 63);
}

TEST_F(DivergenceTest, WeightsThatAreNotFiniteAreNotSaved) {
  for (const float bad : kBad) {
    test::TempFolder run;
    train::Trainer trainer(recipe(), dataset_);
    trainer.step();
    trainer.save(run.path());
    trainer.step();
    spoil(trainer, "lm_head.weight", bad);
    EXPECT_THROW(trainer.save(run.path()), DivergedError);
    EXPECT_EQ(train::list_checkpoints(run.path()).size(), 1U);
    train::Trainer resumed(recipe(), dataset_);
    resumed.resume(train::list_checkpoints(run.path()).back().folder);
    EXPECT_EQ(resumed.steps_done(), 1);
  }
}

TEST_F(DivergenceTest, GoingBackIsStartingThereWithoutTheBatchesSince) {
  test::TempFolder run;
  train::Recipe recipe = TrainTest::recipe();
  recipe.train.ema_decay = 0.9;
  recipe.checkpoint.keep = 0;
  train::Trainer trainer(recipe, dataset_);
  for (int i = 0; i < 5; ++i) {
    trainer.step();
    if (i >= 1) trainer.save(run.path());  // after steps 2 to 5
  }
  spoil(trainer, "backbone.norm_f.weight", kBad[0]);
  EXPECT_THROW(trainer.step(), DivergedError);
  trainer.resume(train::list_checkpoints(run.path()).front().folder);
  trainer.skip_batches(3);
  EXPECT_EQ(trainer.steps_done(), 2);
  // Another trainer from the same checkpoint, told that the data are where they were after five steps.
  test::TempFolder other;
  const Path copy = other.path() / "checkpoint";
  std::filesystem::copy(train::list_checkpoints(run.path()).front().folder, copy);
  Json state = read_json(copy / "state.json");
  EXPECT_NE(state["data"], data_position(run.path(), 3));
  state["data"] = data_position(run.path(), 3);
  publish_file(copy / "state.json", state.dump());
  Json manifest = read_json(copy / "manifest.json");
  manifest["files"]["state.json"] = {{"bytes", std::filesystem::file_size(copy / "state.json")},
                                     {"sha256", sha256_hex_of_file(copy / "state.json")}};
  manifest.erase("hash");
  publish_file(copy / "manifest.json", manifest.dump());
  train::Trainer fresh(recipe, dataset_);
  fresh.resume(copy);
  for (int i = 0; i < 3; ++i) {
    const train::StepReport a = trainer.step(), b = fresh.step();
    EXPECT_EQ(a.total_loss, b.total_loss);
    EXPECT_EQ(a.grad_norm, b.grad_norm);
  }
  const auto expected = weights(fresh);
  for (const auto& [name, tensor] : weights(trainer))
    EXPECT_TRUE(torch::equal(tensor, expected.at(name))) << name;
}

TEST_F(DivergenceTest, RollbacksAreBoundedAndSkipMoreBehindTheSameCheckpoint) {
  test::TempFolder run;
  train::TrainConfig config;
  EXPECT_THROW(train::Rollbacks(run.path(), config).go_back(10, 12, "why"), DivergedError);  // not asked for
  config.on_divergence = "rollback";
  config.max_rollbacks = 2;
  train::Rollbacks first(run.path(), config);
  EXPECT_THROW(first.go_back(0, 3, "why"), DivergedError);  // nothing to go back to
  EXPECT_EQ(first.go_back(10, 12, "why"), (train::Rollback{10, 12, 2}));
  EXPECT_EQ(first.go_back(10, 11, "why"), (train::Rollback{10, 11, 3}));
  EXPECT_THROW(first.go_back(20, 21, "why"), DivergedError);
  // Killed and resumed from step 10 it goes the same way again, which counts once.
  train::Rollbacks again(run.path(), config);
  EXPECT_EQ(again.go_back(10, 12, "why"), (train::Rollback{10, 12, 2}));
  EXPECT_EQ(again.go_back(10, 11, "why"), (train::Rollback{10, 11, 3}));
  EXPECT_THROW(again.go_back(20, 21, "why"), DivergedError);
  int lines = 0;
  for_each_line(run.path() / "rollbacks.jsonl", [&](std::string_view, uint64_t) { ++lines; });
  EXPECT_EQ(lines, 2);
}

// A learning rate that no model survives: it goes back, stops as a run that diverges does, and what is saved is whole.
TEST_F(DivergenceTest, ARunThatKeepsDivergingStops) {
  test::TempFolder folder;
  const Path toml = folder.path() / "recipe.toml", run = folder.path() / "run";
  train::Recipe recipe = TrainTest::recipe();
  recipe.train.steps = 60;
  publish_file(toml, train::dump_recipe(recipe));
  train::RunOptions options{
      .recipe = toml,
      .run = run,
      .overrides = {"train.learning_rate=10", "train.warmup_steps=0", "train.clip_norm=0",
                    "checkpoint.every_steps=1", "train.on_divergence=\"rollback\""}};
  EXPECT_THROW(train::run_training(options), DivergedError);
  int lines = 0;
  for_each_line(run / "rollbacks.jsonl", [&](std::string_view, uint64_t) { ++lines; });
  EXPECT_EQ(lines, 3);
  train::Trainer whole(recipe, dataset_);
  whole.resume(train::list_checkpoints(run).back().folder);
  for (const auto& [name, tensor] : weights(whole)) EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
}

}  // namespace
}  // namespace mom
