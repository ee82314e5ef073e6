// Learning rates, and which longer runs a run may go on as.
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/train/checkpoint.h"
#include "mom/train/optimizer.h"
#include "mom/train/run.h"
#include "tests/train/train_fixture.h"

namespace mom {
namespace {

TEST(Schedule, WarmsUpThenFollowsTheCosine) {
  train::TrainConfig config;
  config.steps = 101;
  config.warmup_steps = 10;
  config.learning_rate = 1;
  config.min_learning_rate = 0.1;
  EXPECT_DOUBLE_EQ(train::learning_rate_at(config, 0), 0.1);
  EXPECT_DOUBLE_EQ(train::learning_rate_at(config, 9), 1);
  EXPECT_NEAR(train::learning_rate_at(config, 55), 0.55, 1e-9);
  EXPECT_NEAR(train::learning_rate_at(config, 100), 0.1, 1e-12);
}

TEST(Schedule, IsStableUntilItsLastSteps) {
  train::TrainConfig config;
  config.schedule = "wsd";
  config.steps = 100;
  config.warmup_steps = 10;
  config.learning_rate = 1;
  config.min_learning_rate = 0.1;
  EXPECT_EQ(train::stable_until(config), 80);
  config.decay_steps = 16;
  EXPECT_DOUBLE_EQ(train::learning_rate_at(config, 0), 0.1);
  for (const int64_t step : {9, 10, 50, 83})
    EXPECT_DOUBLE_EQ(train::learning_rate_at(config, step), 1) << step;
  EXPECT_NEAR(train::learning_rate_at(config, 84), 0.1 + 0.9 * 0.75, 1e-12);  // a sixteenth of the decay
  EXPECT_NEAR(train::learning_rate_at(config, 87), 0.1 + 0.9 * 0.5, 1e-12);   // a quarter
  EXPECT_NEAR(train::learning_rate_at(config, 99), 0.1, 1e-12);
  train::TrainConfig longer = config;
  longer.steps = 1000;
  for (int64_t step = 0; step < 84; ++step)
    EXPECT_EQ(train::learning_rate_at(longer, step), train::learning_rate_at(config, step));
}

class ScheduleTest : public test::TrainTest {
 protected:
  void SetUp() override {
    train::Recipe stable = recipe();
    stable.train.schedule = "wsd";
    stable.train.steps = 8;
    stable.train.decay_steps = 3;
    publish_file(toml_, train::dump_recipe(stable));
  }
  Path toml_ = folder_->path() / "wsd.toml";
};

TEST_F(ScheduleTest, AStableRunGoesOnAsALongerOne) {
  test::TempFolder folder;
  const Path straight = folder.path() / "straight", longer = folder.path() / "longer";
  train::run_training({.recipe = toml_, .run = straight, .overrides = {"train.steps=12"}});
  EXPECT_THROW(train::run_training({.recipe = toml_, .run = longer, .overrides = {}, .stop_at = 5}),
               StoppedError);
  train::run_training({.recipe = toml_, .run = longer, .overrides = {"train.steps=12"}, .resume = true});
  for (const char* name : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(read_file(train::list_checkpoints(longer).back().folder / name),
              read_file(train::list_checkpoints(straight).back().folder / name))
        << name;
  EXPECT_FALSE(read_json(longer / "environment.json")["changes"][0]["forced"].get<bool>());
}

TEST_F(ScheduleTest, ADecayingRunDoesNot) {
  test::TempFolder folder;
  const auto refused = [&](int64_t stop_at, std::vector<std::string> first, const std::string& then) {
    const Path run = folder.path() / then;
    EXPECT_THROW(train::run_training({.recipe = toml_, .run = run, .overrides = first, .stop_at = stop_at}),
                 StoppedError);
    first.push_back(then);
    try {
      train::run_training({.recipe = toml_, .run = run, .overrides = first, .resume = true});
      ADD_FAILURE() << then;
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string later = "with a decay that begins after step 4";
  EXPECT_EQ(refused(6, {}, "train.steps=12").find(later), std::string::npos);
  EXPECT_NE(refused(4, {}, "train.decay_steps=6").find(later), std::string::npos);  // it would be decaying
  refused(4, {}, "train.learning_rate=0.002");
  refused(4, {"train.schedule=cosine", "train.decay_steps=0"}, "train.steps=13");
}

TEST_F(ScheduleTest, StepsMustHoldWarmUpAndDecay) {
  const auto load = [&](const std::vector<std::string>& overrides) { train::load_recipe(toml_, overrides); };
  EXPECT_NO_THROW(load({"train.steps=5"}));
  EXPECT_THROW(load({"train.steps=4"}), UserError);
  EXPECT_THROW(load({"train.schedule=cosine"}), UserError) << "it has no decay_steps";
}

}  // namespace
}  // namespace mom
