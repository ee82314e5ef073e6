#include "mom/runs/run_folder.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "tests/support/fake_runs.h"

namespace mom::runs {
namespace {

constexpr const char* kGood =
    R"({"kind":"train","step":1,"tokens":10,"flops":5,"loss":2.0,"loss_text":2.0,"loss_image":null})";

class RunFolderTest : public testing::Test {
 protected:
  Path with_metrics(const std::string& lines) {
    test::write_text(folder_.path() / "run" / "recipe.toml", "setting = \"transfusion\"\n");
    test::write_text(folder_.path() / "run" / "metrics.jsonl", lines);
    return folder_.path() / "run";
  }
  // The message of the InputError that reading these lines gives.
  std::string fault(const std::string& lines) {
    try {
      read_run_folder(with_metrics(lines));
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }
  test::TempFolder folder_;
};

TEST_F(RunFolderTest, ReadsAWholeRun) {
  const auto run = read_run_folder(test::write_fake_run(folder_.path() / "mom", test::fake_mix()));
  EXPECT_EQ(run.name, "mom");
  EXPECT_EQ(run.setting(), "transfusion");
  EXPECT_EQ(run.model_name(), "Mixture-of-Mamba");
  EXPECT_TRUE(run.is_mixture());
  EXPECT_EQ(run.train.size(), 450u);
  EXPECT_EQ(run.evals.at("noto").size(), 19u);
  EXPECT_EQ(run.evals.at("noto").front().step, 0);
  EXPECT_EQ(run.final_step(), 450);
  EXPECT_EQ(run.recipe_number("objective.image_weight", 0), 5);
  EXPECT_EQ(run.evaluation.at("noto").tokens.at("image"), 5504);
  EXPECT_EQ(run.denoised.size(), 6u);
  EXPECT_TRUE(run.missing.empty());
}

TEST_F(RunFolderTest, NamesAPartlyDecoupledModel) {
  test::FakeRun partly = test::fake_mix();
  partly.decoupled = "[\"in_proj\", \"out_proj\"]";
  EXPECT_EQ(read_run_folder(test::write_fake_run(folder_.path() / "p", partly)).model_name(),
            "Mixture-of-Mamba (in_proj, out_proj)");
}

TEST_F(RunFolderTest, NamesWhatIsMissing) {
  const auto run = read_run_folder(with_metrics(std::string(kGood) + "\n"));
  EXPECT_EQ(run.missing.size(), 5u);
  EXPECT_EQ(run.train.front().losses.count("image"), 0u);  // null: not measured
}

TEST_F(RunFolderTest, ATrailingSlashKeepsTheName) {
  EXPECT_EQ(read_run_folder(with_metrics(std::string(kGood) + "\n") / "").name, "run");
}

TEST_F(RunFolderTest, DamagedLinesAreNamed) {
  const std::string good = std::string(kGood) + "\n";
  EXPECT_NE(fault(good + "{\"kind\": \n").find("metrics.jsonl:2"), std::string::npos);
  EXPECT_NE(fault(good + "[1]\n").find("metrics.jsonl:2"), std::string::npos);
  EXPECT_NE(
      fault(good + R"({"kind":"test","step":2,"tokens":1,"flops":9})" + "\n").find("\"train\" or \"eval\""),
      std::string::npos);
  EXPECT_NE(fault(good + R"({"kind":"eval","step":2,"tokens":1,"flops":9})" + "\n").find("\"set\""),
            std::string::npos);
  EXPECT_NE(
      fault(good + R"({"kind":"train","step":2,"tokens":1,"flops":9,"loss":"low"})" + "\n").find("\"loss\""),
      std::string::npos);
  EXPECT_NE(fault(good + R"({"kind":"train","step":2,"tokens":-1,"flops":9})" + "\n").find("\"tokens\""),
            std::string::npos);
}

TEST_F(RunFolderTest, StepsAndFlopsMustRise) {
  const std::string good = std::string(kGood) + "\n";
  EXPECT_NE(fault(good + good).find("a step after 1"), std::string::npos);
  EXPECT_NE(
      fault(good + R"({"kind":"train","step":2,"tokens":1,"flops":5})" + "\n").find("\"flops\" to rise"),
      std::string::npos);
  // Another kind or another held-out set counts for itself.
  const std::string evals = R"({"kind":"eval","set":"a","step":1,"tokens":1,"flops":5})"
                            "\n"
                            R"({"kind":"eval","set":"b","step":1,"tokens":1,"flops":5})"
                            "\n";
  EXPECT_EQ(fault(good + evals), "no error");
}

TEST_F(RunFolderTest, ATornLastLineIsLeftOutAndSaid) {
  const auto run = read_run_folder(with_metrics(std::string(kGood) + "\n{\"kind\":\"tr"));
  EXPECT_EQ(run.train.size(), 1u);
  EXPECT_NE(run.missing.front().find("last line"), std::string::npos);
}

TEST_F(RunFolderTest, SamplesMustLieInsideTheRun) {
  for (const char* name : {"../../secret.png", "/etc/passwd", ""}) {
    const Path run = with_metrics(std::string(kGood) + "\n");
    const OrderedJson item = {
        {"caption", "x"}, {"timestep", 1}, {"original", name}, {"noised", "b.png"}, {"denoised", "c.png"}};
    test::write_text(run / "samples" / "denoised.json",
                     OrderedJson({{"step", 1}, {"items", OrderedJson::array({item})}}).dump());
    EXPECT_THROW(read_run_folder(run), InputError) << name;
  }
}

TEST_F(RunFolderTest, ABrokenRecipeNamesItsLine) {
  const Path run = with_metrics("");
  test::write_text(run / "recipe.toml", "setting = \"transfusion\"\nseed = = 1\n");
  try {
    read_run_folder(run);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("recipe.toml:2"), std::string::npos) << error.what();
  }
}

TEST(FlattenToml, DotsTablesAndKeepsInlineOnesWhole) {
  const auto flat = flatten_toml(
      "seed = 1\n[data]\nmixture = { a = 0.5 }\npath = \"x y\"\n[model]\ndecoupled = [\"in_proj\"]\n", "r");
  EXPECT_EQ(flat.at("seed"), "1");
  EXPECT_EQ(flat.at("data.path"), "x y");
  EXPECT_EQ(flat.count("data.mixture"), 1u);
  EXPECT_NE(flat.at("model.decoupled").find("in_proj"), std::string::npos);
}

TEST_F(RunFolderTest, FindsTheRunsOfAStudy) {
  with_metrics("");
  test::write_text(folder_.path() / "notes" / "readme.txt", "no run");
  const auto runs = find_runs(folder_.path());
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].filename(), "run");
  EXPECT_THROW(find_runs(folder_.path() / "notes"), InputError);
  EXPECT_THROW(find_runs(folder_.path() / "absent"), InputError);
}

}  // namespace
}  // namespace mom::runs
