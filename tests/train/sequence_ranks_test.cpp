// Runs whose microbatches several processes share (train.sequence_ranks): those of one process to rounding. Processes are threads
// here; tests/e2e has real ones.
#include "mom/base/error.h"
#include "tests/support/gradcheck.h"
#include "tests/train/ranks.h"
#include "tests/train/train_fixture.h"

namespace mom {
namespace {

class SequenceRanks : public test::TrainTest {
 protected:
  // The state flows from document to document: of a step's batch, each cut is inside a sequence.
  static train::Recipe long_sequences(int64_t sequence_ranks) {
    train::Recipe recipe = TrainTest::recipe();
    recipe.data.reset_state = false;
    recipe.data.sequence_tokens = 256;
    recipe.train.clip_norm = 0.5;
    recipe.train.ema_decay = 0.9;
    recipe.train.sequence_ranks = sequence_ranks;
    return recipe;
  }
  static std::string newest(const Path& run, const char* name) {
    return read_file(train::list_checkpoints(run).back().folder / name);
  }
  // Weights of the newest checkpoints, to rounding: AdamW's first steps amplify it where a gradient is nearly zero.
  static void expect_near(const Path& a, const Path& b) {
    const Path folders[] = {train::list_checkpoints(a).back().folder,
                            train::list_checkpoints(b).back().folder};
    models::Model first = models::load_model(folders[0]), second = models::load_model(folders[1]);
    for (const auto& item : first->named_parameters()) {
      const at::Tensor other = second->named_parameters()[item.key()];
      EXPECT_LE(test::nmse(other, item.value()), 1e-12) << item.key();
    }
    EXPECT_EQ(newest(a, "state.json"), newest(b, "state.json"));
    EXPECT_EQ(newest(a, "optimizer.safetensors").size(), newest(b, "optimizer.safetensors").size());
  }
  static void expect_near(const std::vector<double>& values, const std::vector<double>& expected,
                          double limit = 1e-6) {
    ASSERT_EQ(values.size(), expected.size());
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(values[i], expected[i], limit * std::abs(expected[i])) << i;
  }
};

TEST_F(SequenceRanks, LossesNormsAndWeightsAreThoseOfOneProcess) {
  test::TempFolder alone;
  const std::vector<double> expected = test::train_on(1, long_sequences(1), alone.path(), 3, dataset_);
  for (const auto& [size, sequence_ranks, shard] : std::vector<std::tuple<int, int64_t, std::string>>{
           {2, 2, "optimizer"}, {2, 2, "all"}, {3, 3, "optimizer"}, {4, 2, "optimizer"}, {4, 2, "all"}}) {
    SCOPED_TRACE(std::to_string(size) + " " + std::to_string(sequence_ranks) + " " + shard);
    train::Recipe recipe = long_sequences(sequence_ranks);
    recipe.train.shard = shard;
    test::TempFolder several, again;
    const std::vector<double> found = test::train_on(size, recipe, several.path(), 3, dataset_);
    expect_near(found, expected);
    expect_near(several.path(), alone.path());
    EXPECT_EQ(test::train_on(size, recipe, again.path(), 3, dataset_), found);
    EXPECT_TRUE(newest(again.path(), "model.safetensors") == newest(several.path(), "model.safetensors"));
  }
}

// One sequence in a step, with recomputation, and everything sharded.
TEST_F(SequenceRanks, SoAreThoseOfOneLongSequence) {
  train::Recipe recipe = long_sequences(1);
  recipe.data.sequence_tokens = recipe.data.batch_tokens;
  recipe.train.microbatches = 1;
  recipe.train.recompute = true;
  test::TempFolder alone, three;
  const std::vector<double> expected = test::train_on(1, recipe, alone.path(), 3, dataset_);
  recipe.train.sequence_ranks = 3;
  recipe.train.shard = "all";
  expect_near(test::train_on(3, recipe, three.path(), 3, dataset_), expected);
  expect_near(three.path(), alone.path());
  recipe.train.precision = "bfloat16";  // of which 2^-9 is the rounding
  test::TempFolder alone_rounded, three_rounded;
  const std::vector<double> rounded = test::train_on(3, recipe, three_rounded.path(), 3, dataset_);
  recipe.train.sequence_ranks = 1;
  expect_near(rounded, test::train_on(1, recipe, alone_rounded.path(), 3, dataset_), 1e-3);
}

// Codes of images and of speech, which may be cut, in short sequences: the state begins anew with each document.
TEST_F(SequenceRanks, SoAreThoseOfCodes) {
  const auto spoken = std::make_shared<data::EncodedDataset>(
      data::open_encoded(test::make_tiny_spoken(folder_->path() / "spoken")));
  train::Recipe recipe = TrainTest::recipe();
  recipe.setting = "three_modality";
  test::TempFolder alone, three;
  const std::vector<double> expected = test::train_on(1, recipe, alone.path(), 3, spoken);
  recipe.train.sequence_ranks = 3;
  expect_near(test::train_on(3, recipe, three.path(), 3, spoken), expected);
  expect_near(three.path(), alone.path());
}

TEST_F(SequenceRanks, ARunGoesOnWithOtherNumbers) {
  test::TempFolder straight, changing;
  test::train_on(1, long_sequences(1), straight.path(), 6, dataset_);
  for (const auto& [size, sequence_ranks] : {std::pair{2, 2}, {1, 1}, {4, 2}})
    test::train_on(size, long_sequences(sequence_ranks), changing.path(), 2, dataset_);
  expect_near(changing.path(), straight.path());
}

TEST_F(SequenceRanks, WhatDoesNotFitIsRefused) {
  const auto refusal = [&](int size, const train::Recipe& recipe) {
    try {
      test::on_ranks(size, [&](int, const std::shared_ptr<dist::Group>& group) {
        train::Trainer(recipe, dataset_, group);
      });
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(refusal(1, long_sequences(2)).find("train.sequence_ranks = 2"), std::string::npos);
  EXPECT_NE(refusal(3, long_sequences(2)).find("3 processes"), std::string::npos);
  EXPECT_EQ(refusal(4, long_sequences(2)), "accepted");
  train::Recipe recipe = long_sequences(2);
  recipe.train.microbatches = 1;
  EXPECT_NE(refusal(4, recipe).find("groups of 2 processes"), std::string::npos);
  EXPECT_EQ(refusal(2, recipe), "accepted");
  for (const char* backbone :
       {"ssm", "transformer", "mixture_of_transformers", "moe_transformer", "moe_mamba"}) {
    recipe = long_sequences(2);
    recipe.model.backbone = backbone;
    EXPECT_NE(refusal(2, recipe).find(backbone), std::string::npos);
  }
}

}  // namespace
}  // namespace mom
