// Whole training steps on the fake device: held beside the CPU's, and counted.
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/train/checkpoint.h"
#include "mom/train/held_out.h"
#include "tests/cuda/fake_device.h"
#include "tests/train/ranks.h"
#include "tests/train/train_fixture.h"

namespace mom {
namespace {

class TrainingOnTheDevice : public test::TrainTest {
 protected:
  static train::Recipe there(train::Recipe recipe) {
    recipe.train.device = test::fake_device().str();
    return recipe;
  }
  static void expect_near(train::Trainer& found, train::Trainer& expected, double error) {
    const auto wanted = weights(expected);
    for (const auto& [name, tensor] : weights(found)) {
      const at::Tensor difference = tensor.cpu() - wanted.at(name);
      EXPECT_LE(difference.abs().max().item<double>(), error) << name;
    }
  }
};

TEST_F(TrainingOnTheDevice, StepsAreTheCpusAndWaitOnce) {
  for (const std::string precision : {"float32", "bfloat16"}) {
    train::Recipe recipe = TrainTest::recipe();
    recipe.train.precision = precision;
    train::Trainer here(recipe, dataset_), on_device(there(recipe), dataset_);
    expect_near(on_device, here, 0);  // the same draws
    for (int step = 0; step < 3; ++step) {
      const train::StepReport expected = here.step();
      const auto before = test::fake_device_counts();
      const train::StepReport found = on_device.step();
      EXPECT_EQ(test::fake_device_counts().waits - before.waits, 1) << "step " << step;
      const double error = precision == "float32" ? 1e-4 : 2e-2;
      EXPECT_NEAR(found.total_loss, expected.total_loss, error * expected.total_loss);
      EXPECT_NEAR(found.grad_norm, expected.grad_norm, error * expected.grad_norm);
    }
    if (precision == "float32") expect_near(on_device, here, 1e-4);
  }
}

TEST_F(TrainingOnTheDevice, EverySettingAndExperts) {
  test::TempFolder folder;
  const auto spoken = std::make_shared<data::EncodedDataset>(
      data::open_encoded(test::make_tiny_spoken(folder.path() / "spoken")));
  struct Case {
    const char *setting, *backbone, *router = "token_choice";
  };
  for (const auto& [setting, backbone, router] :
       {Case{"chameleon", "mixture_of_mamba"}, Case{"three_modality", "mixture_of_mamba"},
        Case{"three_modality", "mixture_of_transformers"}, Case{"three_modality", "moe_mamba"},
        Case{"transfusion", "moe_mamba", "expert_choice"}, Case{"chameleon", "moe_transformer"}}) {
    SCOPED_TRACE(std::string(setting) + ", " + backbone + ", " + router);
    train::Recipe recipe = TrainTest::recipe(backbone);
    recipe.setting = setting;
    test::set(recipe.model, "router", router);
    const auto& data = recipe.setting == "transfusion" ? dataset_ : spoken;
    recipe.data.path = data->folder.string();
    train::Trainer here(recipe, data), on_device(there(recipe), data);
    for (int step = 0; step < 2; ++step) {
      const train::StepReport expected = here.step();
      const auto before = test::fake_device_counts();
      const train::StepReport found = on_device.step();
      EXPECT_EQ(test::fake_device_counts().waits - before.waits, 1) << "step " << step;
      EXPECT_NEAR(found.total_loss, expected.total_loss, 1e-4 * expected.total_loss);
      for (size_t m = 0; m < found.loss.size(); ++m)
        EXPECT_NEAR(found.loss[m].mean(), expected.loss[m].mean(), 1e-3) << m;
      for (const auto& [block, load] : expected.experts) {
        EXPECT_TRUE(torch::equal(found.experts.at(block).choices_ME, load.choices_ME)) << block;
        EXPECT_TRUE(torch::allclose(found.experts.at(block).sums_3, load.sums_3, 1e-4)) << block;
      }
    }
  }
}

TEST_F(TrainingOnTheDevice, RecomputationAveragesAndHeldOutLosses) {
  train::Recipe recipe = TrainTest::recipe();
  recipe.train.recompute = true;
  recipe.train.ema_decay = 0.5;
  train::Trainer here(recipe, dataset_), on_device(there(recipe), dataset_);
  for (int step = 0; step < 2; ++step) here.step(), on_device.step();
  expect_near(on_device, here, 1e-4);
  const auto sets = train::held_out_sets(*dataset_, recipe, /*max_tokens=*/0);
  for (const auto& set : sets) {
    const auto expected = here.held_out_loss(set.batches), found = on_device.held_out_loss(set.batches);
    for (size_t m = 0; m < found.size(); ++m) EXPECT_NEAR(found[m].mean(), expected[m].mean(), 1e-4);
  }
}

TEST_F(TrainingOnTheDevice, CheckpointsGoFromDeviceToCpuAndBack) {
  test::TempFolder run;
  train::Trainer on_device(there(recipe()), dataset_);
  for (int step = 0; step < 2; ++step) on_device.step();
  on_device.save(run.path());
  const Path checkpoint = train::list_checkpoints(run.path()).back().folder;
  train::Trainer here(recipe(), dataset_), again(there(recipe()), dataset_);
  here.resume(checkpoint);
  again.resume(checkpoint);
  expect_near(on_device, here, 0);
  expect_near(again, here, 0);
  on_device.step(), again.step();
  for (const auto& [name, tensor] : weights(on_device))
    EXPECT_TRUE(torch::equal(tensor.cpu(), weights(again).at(name).cpu())) << name;
}

// What GPUs exchange goes through NCCL, which no test has; here threads copy from one to the other.
TEST_F(TrainingOnTheDevice, SeveralProcessesHaveTheSameBits) {
  for (const std::string precision : {"float32", "bfloat16"}) {
    train::Recipe recipe = there(TrainTest::recipe());
    recipe.train.precision = precision;
    recipe.train.ema_decay = 0.9;
    test::TempFolder alone, two;
    EXPECT_EQ(test::train_on(1, recipe, alone.path(), 2, dataset_),
              test::train_on(2, recipe, two.path(), 2, dataset_));
    for (const char* name : {"model.safetensors", "optimizer.safetensors"})
      EXPECT_TRUE(read_file(train::list_checkpoints(alone.path()).back().folder / name) ==
                  read_file(train::list_checkpoints(two.path()).back().folder / name))
          << precision << " " << name;
    EXPECT_EQ(test::train_on(2, recipe, alone.path(), 1, dataset_),
              test::train_on(1, recipe, two.path(), 1, dataset_));
  }
}

TEST_F(TrainingOnTheDevice, SeveralProcessesShareTheOptimizerOnly) {
  train::Recipe recipe = there(TrainTest::recipe());
  recipe.train.shard = "all";
  EXPECT_THROW(test::on_ranks(2, [&](int, const auto& group) { train::Trainer(recipe, dataset_, group); }),
               UserError);
}

TEST_F(TrainingOnTheDevice, WhatIsNotThereIsNamed) {
  train::Recipe recipe = TrainTest::recipe();
  for (const auto& [device, says] : {std::pair{"cuda", "cpu, which is all that this build computes on"},
                                     {"gpu", "cpu, cuda or cuda:0"},
                                     {"privateuseone:7", "one of the 1 devices"}}) {
    recipe.train.device = device;
    try {
      train::Trainer trainer(recipe, dataset_);
      ADD_FAILURE() << device;
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace mom
