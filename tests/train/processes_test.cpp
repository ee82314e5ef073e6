// One run on 1, 2 and 4 processes: the same bits. Processes are threads here (dist/group.h); tests/e2e has real ones.
#include "mom/base/error.h"
#include "mom/train/checkpoint.h"
#include "tests/train/ranks.h"
#include "tests/train/train_fixture.h"

namespace mom {
namespace {

using test::on_ranks;
using test::train_on;

class ProcessesTest : public test::TrainTest {
 protected:
  static void SetUpTestSuite() {
    TrainTest::SetUpTestSuite();
    spoken_ = std::make_shared<data::EncodedDataset>(
        data::open_encoded(test::make_tiny_spoken(folder_->path() / "spoken")));
  }
  static void TearDownTestSuite() {
    spoken_.reset();
    TrainTest::TearDownTestSuite();
  }
  static train::Recipe recipe_of_four() {
    train::Recipe recipe = TrainTest::recipe();
    recipe.train.microbatches = 4;
    recipe.train.clip_norm = 0.5;  // so that the norm matters
    return recipe;
  }
  static train::Recipe spoken(const std::string& setting, const std::string& backbone) {
    train::Recipe recipe = recipe_of_four();
    recipe.setting = setting;
    recipe.model.backbone = backbone;
    return recipe;
  }
  static std::string newest(const Path& run, const char* name) {
    return read_file(train::list_checkpoints(run).back().folder / name);
  }
  static void expect_same_files(const Path& a, const Path& b) {
    for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"})
      EXPECT_TRUE(newest(a, name) == newest(b, name)) << name;
  }
  // 3 steps on 1, 2 and 4, which share the optimizer or everything.
  static void expect_same(train::Recipe recipe, const std::shared_ptr<data::EncodedDataset>& dataset) {
    test::TempFolder alone;
    const std::vector<double> expected = train_on(1, recipe, alone.path(), 3, dataset);
    for (const char* shard : {"optimizer", "all"})
      for (const int size : {2, 4}) {
        SCOPED_TRACE(shard);
        SCOPED_TRACE(size);
        test::TempFolder several;
        recipe.train.shard = shard;
        EXPECT_EQ(expected, train_on(size, recipe, several.path(), 3, dataset));
        expect_same_files(alone.path(), several.path());
      }
  }
  inline static std::shared_ptr<data::EncodedDataset> spoken_;
};

TEST_F(ProcessesTest, TransfusionHasTheSameBits) { expect_same(recipe_of_four(), dataset_); }

TEST_F(ProcessesTest, SoDoBfloat16RecomputationAndAverages) {
  train::Recipe recipe = recipe_of_four();
  recipe.train.precision = "bfloat16";
  recipe.train.recompute = true;
  recipe.train.ema_decay = 0.9;
  expect_same(recipe, dataset_);
}

// There weights of projections and their gradients travel as bf16: every mixer's must be what is read and what comes out.
TEST_F(ProcessesTest, SoDoesBfloat16OfEveryBackbone) {
  for (const char* backbone :
       {"mamba", "ssm", "transformer", "mixture_of_transformers", "moe_transformer", "moe_mamba"}) {
    SCOPED_TRACE(backbone);
    train::Recipe recipe = recipe_of_four();
    recipe.model.backbone = backbone;
    recipe.train.precision = "bfloat16";
    test::TempFolder alone, four;
    EXPECT_EQ(train_on(1, recipe, alone.path(), 2, dataset_), train_on(4, recipe, four.path(), 2, dataset_));
    expect_same_files(alone.path(), four.path());
  }
}

TEST_F(ProcessesTest, SoDoExperts) {
  train::Recipe recipe = recipe_of_four();
  recipe.model.backbone = "moe_mamba";
  expect_same(recipe, dataset_);
}

TEST_F(ProcessesTest, SoDoCodes) { expect_same(spoken("chameleon", "mixture_of_mamba"), spoken_); }

TEST_F(ProcessesTest, SoDoThreeModalities) {
  expect_same(spoken("three_modality", "mixture_of_transformers"), spoken_);
}

// A source of pictures so rare, and microbatches so small, that most have none; so it is with speech.
TEST_F(ProcessesTest, SoDoMicrobatchesThatLackAModality) {
  train::Recipe recipe = recipe_of_four();
  recipe.data.batch_tokens = 512;
  recipe.data.mixture = {{"shapes", 0.02}, {"words", 0.98}};
  int without = 0;
  data::Loader loader(dataset_, recipe.data, recipe.model.patch_size, static_cast<uint64_t>(recipe.seed));
  for (int step = 0; step < 3; ++step)
    for (const data::Batch& batch : loader.next(4)) without += batch.num_images() == 0;
  ASSERT_GT(without, 3);
  ASSERT_LT(without, 12);
  expect_same(recipe, dataset_);
  recipe = spoken("three_modality", "mixture_of_mamba");
  recipe.data.mixture = {{"shapes", 0.4}, {"words", 0.55}, {"said", 0.05}};
  expect_same(recipe, spoken_);
}

TEST_F(ProcessesTest, ARunGoesOnWithAnotherNumber) {
  train::Recipe recipe = recipe_of_four();
  recipe.train.ema_decay = 0.9;
  test::TempFolder straight, changing;
  train_on(1, recipe, straight.path(), 6, dataset_);
  for (const int size : {2, 1, 4}) {
    train_on(size, recipe, changing.path(), 2, dataset_);
    recipe.train.shard = size == 2 ? "all" : "optimizer";
  }
  expect_same_files(straight.path(), changing.path());
  EXPECT_TRUE(newest(straight.path(), "last.safetensors") == newest(changing.path(), "last.safetensors"));
}

TEST_F(ProcessesTest, AFileOfEachProcessIsReadByAnyNumber) {
  train::Recipe recipe = recipe_of_four();
  recipe.train.ema_decay = 0.9;
  test::TempFolder straight, changing;
  train_on(1, recipe, straight.path(), 6, dataset_);
  recipe.checkpoint.files = "per_process";
  for (const int size : {2, 4}) {
    train_on(size, recipe, changing.path(), 2, dataset_);
    const Path newest = train::list_checkpoints(changing.path()).back().folder;
    const std::string last_part =
        "-0000" + std::to_string(size) + "-of-0000" + std::to_string(size) + ".safetensors";
    for (const std::string name : {"model", "last", "optimizer"}) {
      EXPECT_FALSE(std::filesystem::exists(newest / (name + ".safetensors")));
      EXPECT_TRUE(std::filesystem::exists(newest / (name + ".safetensors.index.json")));
      EXPECT_TRUE(std::filesystem::exists(newest / (name + last_part)));
    }
    EXPECT_NO_THROW(models::load_model(newest));
    EXPECT_NO_THROW(models::load_model(newest, models::WeightsOf::kLastStep));
    recipe.train.shard = "all";
  }
  train_on(1, recipe, changing.path(), 2, dataset_);
  expect_same_files(straight.path(), changing.path());
  EXPECT_TRUE(newest(straight.path(), "last.safetensors") == newest(changing.path(), "last.safetensors"));
}

// Many buckets, of which backward completes some before its end, and which come and go where all is sharded: the model above
// fits into one.
TEST_F(ProcessesTest, ALargerModelIsSharedOutInChunks) {
  train::Recipe recipe = recipe_of_four();
  recipe.model.d_model = 192;
  recipe.model.layers = 2;
  recipe.data.batch_tokens = 512;
  recipe.train.microbatches = 3;  // an odd one moves up the tree as it is
  test::TempFolder alone;
  const std::vector<double> expected = train_on(1, recipe, alone.path(), 2, dataset_);
  for (const char* shard : {"optimizer", "all"}) {
    SCOPED_TRACE(shard);
    test::TempFolder three;
    recipe.train.shard = shard;
    EXPECT_EQ(expected, train_on(3, recipe, three.path(), 2, dataset_));
    expect_same_files(alone.path(), three.path());
  }
}

TEST_F(ProcessesTest, MicrobatchesThatCannotBeSharedOutAreRefused) {
  train::Recipe recipe = recipe_of_four();
  recipe.train.microbatches = 3;
  const auto start = [&](int size) {
    on_ranks(size, [&](int, const std::shared_ptr<dist::Group>& group) {
      train::Trainer(recipe, dataset_, group);
    });
  };
  EXPECT_THROW(start(2), UserError);
  EXPECT_NO_THROW(start(3));
  recipe.train.microbatches = 2;
  EXPECT_THROW(start(4), UserError);
  recipe.train.microbatches = 6;
  recipe.data.batch_tokens = 768;
  EXPECT_THROW(start(2), UserError);  // three each: no branch of the tree
  recipe.train.shard = "all";
  EXPECT_NO_THROW(start(2));  // three rounds of two
  EXPECT_THROW(start(3), UserError);
  recipe.train.shard = "optimizer";
  try {
    start(2);
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("1, 3, 6"), std::string::npos) << error.what();
  }
}

TEST_F(ProcessesTest, AllStopAtALossThatIsNotFinite) {
  on_ranks(2, [&](int, const std::shared_ptr<dist::Group>& group) {
    train::Recipe recipe = recipe_of_four();
    train::Trainer trainer(recipe, dataset_, group);
    trainer.step();
    {
      torch::NoGradGuard no_grad;
      trainer.model().named_parameters()["backbone.norm_f.weight"].fill_(
          std::numeric_limits<float>::infinity());
    }
    EXPECT_THROW(trainer.step(), DivergedError);
  });
}

}  // namespace
}  // namespace mom
