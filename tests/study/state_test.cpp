#include "mom/study/state.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/base/lock.h"
#include "tests/support/fake_runs.h"

namespace mom::study {
namespace {

const Known kKnownToState = {{"mamba", "mixture_of_mamba"}, {"in_proj", "x_proj", "dt_proj", "out_proj"}};

class StateTest : public testing::Test {
 protected:
  StateTest() {
    test::write_text(folder_ / "r.toml", "[data]\nbatch_tokens = 2_048\n[train]\nsteps = 450\n");
    study_.recipes = {(folder_ / "r.toml").string()};
    study_.variants = {{"", {}}};
  }
  Path run() {
    test::FakeRun fake;
    fake.images = false;
    return test::write_fake_run(folder_ / "runs" / "r-mamba-1", fake);
  }
  void checkpoint(int64_t step, bool whole = true) {
    const Path to = folder_ / "runs" / "r-mamba-1" / "checkpoints" / ("step-00000" + std::to_string(step));
    std::filesystem::create_directories(to);
    if (whole) test::write_text(to / "manifest.json", "{}");
  }
  test::TempFolder folder_;
  StudyConfig study_;
};

TEST_F(StateTest, FinishedIsTrainedToTheEndAndEvaluatedThere) {
  EXPECT_FALSE(read_state(folder_ / "runs" / "nothing").finished());
  const Path run_folder = run();
  EXPECT_FALSE(read_state(run_folder).trained());
  checkpoint(400);
  checkpoint(450, /*whole=*/false);
  EXPECT_FALSE(read_state(run_folder).trained());
  EXPECT_EQ(read_state(run_folder).saved_step, 400);
  checkpoint(450);
  EXPECT_TRUE(read_state(run_folder).finished());
  test::write_text(run_folder / "evaluation.json", "{\"step\": 400}");
  EXPECT_TRUE(read_state(run_folder).trained());
  EXPECT_FALSE(read_state(run_folder).finished());
}

TEST_F(StateTest, TokensAreThoseOfTheLastWholeLine) {
  const Path run_folder = run();
  EXPECT_EQ(tokens_so_far(run_folder), 450.0 * 4096);
  test::write_text(run_folder / "metrics.jsonl", "{\"tokens\": 5}\n{\"tokens\": 7}\n{\"tok");
  EXPECT_EQ(tokens_so_far(run_folder), 7);
  test::write_text(run_folder / "metrics.jsonl", "{\"tok");
  EXPECT_EQ(tokens_so_far(run_folder), 0);
  EXPECT_EQ(tokens_so_far(folder_ / "nothing"), 0);
}

TEST_F(StateTest, PlannedTokensFollowTheOverrides) {
  const Grid grid = expand(study_, kKnownToState);
  EXPECT_EQ(planned_tokens(grid.runs[0]), 450.0 * 2048);
  study_.set = {"train.steps=10", "train.steps = 20"};
  EXPECT_EQ(planned_tokens(expand(study_, kKnownToState).runs[0]), 20.0 * 2048);
  test::write_text(folder_ / "r.toml", "");
  study_.set = {};
  EXPECT_EQ(planned_tokens(expand(study_, kKnownToState).runs[0]), 0);
}

TEST_F(StateTest, OnlyARunWithoutACheckpointIsRemoved) {
  const Path run_folder = run();
  checkpoint(50);
  clear_unsaved(run_folder);
  EXPECT_TRUE(std::filesystem::exists(run_folder));
  std::filesystem::remove_all(run_folder / "checkpoints");
  clear_unsaved(run_folder);
  EXPECT_FALSE(std::filesystem::exists(run_folder));
}

TEST_F(StateTest, ARunThatAnotherProcessIsAtWorkInIsNotRemoved) {
  const Path run_folder = run();
  const Lock at_work = Lock::of_folder(run_folder, {});
  EXPECT_THROW(clear_unsaved(run_folder), UserError);
  EXPECT_TRUE(std::filesystem::exists(run_folder / "recipe.toml"));
}

TEST_F(StateTest, ARunIsNotGoneOnWithAsAnother) {
  const Path run_folder = run();
  publish_manifest(folder_.path(), study_, expand(study_, kKnownToState));
  publish_manifest(folder_.path(), study_, expand(study_, kKnownToState));  // the same again
  test::write_text(folder_ / "r.toml", "# a comment\n[data]\nbatch_tokens = 2048\n[train]\nsteps = 450\n");
  publish_manifest(folder_.path(), study_, expand(study_, kKnownToState));  // and with another comment
  StudyConfig other = study_;
  other.set = {"train.steps=9"};
  EXPECT_THROW(publish_manifest(folder_.path(), other, expand(other, kKnownToState)), UserError);
  test::write_text(folder_ / "r.toml", "[data]\nbatch_tokens = 4096\n[train]\nsteps = 450\n");
  EXPECT_THROW(publish_manifest(folder_.path(), study_, expand(study_, kKnownToState)), UserError);
  std::filesystem::remove_all(folder_ / "runs");
  publish_manifest(folder_.path(), other,
                   expand(other, kKnownToState));  // no run there: nothing to contradict
}

TEST_F(StateTest, AnotherNumberOfEvaluationTokensAsksForAnotherEvaluation) {
  const Path run_folder = run();
  publish_manifest(folder_.path(), study_, expand(study_, kKnownToState));
  study_.eval_tokens = 100;
  publish_manifest(folder_.path(), study_, expand(study_, kKnownToState));
  EXPECT_FALSE(std::filesystem::exists(run_folder / "evaluation.json"));
}

TEST_F(StateTest, ProcessesAddUpAndATornLineIsLeftOut) {
  test::write_text(
      folder_ / "processes.jsonl",
      "{\"run\": \"a\", \"seconds\": 2, \"peak_rss_bytes\": 5}\n{\"run\": \"b\", \"seconds\": 1}\n"
      "{\"run\": \"a\", \"seconds\": 3, \"peak_rss_bytes\": 4}\n{\"run\": \"a\", \"sec");
  auto sums = read_processes(folder_.path());
  EXPECT_EQ(sums["a"].seconds, 5);
  EXPECT_EQ(sums["a"].peak_rss_bytes, 5);
  EXPECT_EQ(sums["b"].seconds, 1);
}

}  // namespace
}  // namespace mom::study
