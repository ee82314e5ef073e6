#include "mom/study/results.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/study/page.h"
#include "mom/study/results_file.h"
#include "tests/support/fake_runs.h"

namespace mom::study {
namespace {

const Known kKnownToResults = {{"mamba", "mixture_of_mamba"}, {"in_proj", "x_proj", "dt_proj", "out_proj"}};

// Runs with made-up curves: dense image loss 0.13 at its floor; the others by `image_floor`.
class ResultsTest : public testing::Test {
 protected:
  ResultsTest() {
    test::write_text(folder_ / "r.toml", "");
    study_.title = "made up";
    study_.recipes = {(folder_ / "r.toml").string()};
    study_.variants = {{"", {}}};
    study_.seeds = {1, 2};
  }
  void finish(const std::string& name, double image_floor, const std::string& decoupled = "") {
    test::FakeRun fake = decoupled.empty() ? test::FakeRun{} : test::fake_mix();
    fake.images = false;
    fake.image_floor = image_floor;
    fake.image_scale = 0.9;
    fake.text_scale = 12;
    if (!decoupled.empty()) fake.decoupled = decoupled;
    const Path run = test::write_fake_run(folder_ / "runs" / name, fake);
    test::write_text(run / "checkpoints" / "step-00000450" / "manifest.json", "{}");
  }
  StudyTables tables() {
    return make_tables(study_, expand(study_, kKnownToResults), folder_.path(), failed_);
  }

  test::TempFolder folder_;
  StudyConfig study_;
  std::map<std::string, std::string> failed_;
};

std::string words(const OrderedJson& results) {
  return page_text(parse_results(results, nullptr, "results"));
}

const char* kAll = "[\"in_proj\", \"x_proj\", \"dt_proj\", \"out_proj\"]";
const double kAtEnd = 0.9 / std::sqrt(460.0);  // above the floor

double gain(double dense_floor, double floor) { return (dense_floor - floor) / (dense_floor + kAtEnd); }

TEST_F(ResultsTest, GainsOfEachSeedTheirMeanAndInterval) {
  finish("r-mamba-1", 0.13);
  finish("r-mixture_of_mamba-1", 0.12, kAll);
  finish("r-mamba-2", 0.14);
  finish("r-mixture_of_mamba-2", 0.10, kAll);
  const OrderedJson results = tables().results;
  const OrderedJson& image = results["groups"]["r"]["arms"]["mixture_of_mamba"]["sets"]["noto"]["image"];
  const double first = gain(0.13, 0.12), second = gain(0.14, 0.10);
  EXPECT_NEAR(image["gain"]["values"][0].get<double>(), first, 1e-12);
  EXPECT_NEAR(image["gain"]["values"][1].get<double>(), second, 1e-12);
  EXPECT_NEAR(image["gain"]["mean"].get<double>(), (first + second) / 2, 1e-12);
  EXPECT_NEAR(image["gain"]["interval"][0].get<double>(), first, 1e-12);
  EXPECT_NEAR(image["gain"]["interval"][1].get<double>(), second, 1e-12);
  EXPECT_EQ(image["match"], OrderedJson({"reached", "reached"}));
  // Steps cost the same: tokens to match are FLOPs to match.
  for (size_t seed = 0; seed < 2; ++seed)
    EXPECT_NEAR(image["tokens_to_match"]["values"][seed].get<double>(),
                image["flops_to_match"]["values"][seed].get<double>(), 1e-9);
  const OrderedJson& run = results["runs"]["r-mamba-2"];
  EXPECT_EQ(run["state"], "finished");
  EXPECT_NEAR(run["losses"]["noto"]["image"].get<double>(), 0.14 + kAtEnd, 1e-12);
  EXPECT_LE(run["curves"]["train"]["step"].size(), 200u);
  EXPECT_EQ(run["curves"]["train"]["step"].back(), 450);
  EXPECT_EQ(run["curves"]["held_out"]["noto"]["step"].size(), 19u);
  EXPECT_EQ(run["resolved_recipe"]["train.steps"], "450");
}

TEST_F(ResultsTest, SameRunsSameBytesAndNoTimes) {
  for (const char* name : {"r-mamba-1", "r-mamba-2"}) finish(name, 0.13);
  for (const char* name : {"r-mixture_of_mamba-1", "r-mixture_of_mamba-2"}) finish(name, 0.12, kAll);
  const std::string before = tables().results.dump();
  test::write_text(folder_ / "processes.jsonl", "{\"run\": \"r-mamba-1\", \"seconds\": 12}\n");
  const StudyTables again = tables();
  EXPECT_EQ(again.results.dump(), before);
  EXPECT_EQ(before.find("seconds"), std::string::npos);
  EXPECT_EQ(before.find("_per_s"), std::string::npos);
  EXPECT_EQ(again.timing["runs"]["r-mamba-1"]["process_seconds"], 12);
  EXPECT_TRUE(
      again.timing["groups"]["r"]["mixture_of_mamba"]["sets"]["noto"]["image"].contains("seconds_to_match"));
}

TEST_F(ResultsTest, TimesAndMachinesAreInTimingOnly) {
  study_.command = {"mom", "study", "s.toml"};
  for (const char* name : {"r-mamba-1", "r-mixture_of_mamba-1"}) finish(name, 0.13);
  const StudyTables made = tables();
  EXPECT_EQ(made.results["command"], OrderedJson({"mom", "study", "s.toml"}));
  const OrderedJson& clock = made.timing["runs"]["r-mamba-1"]["clock"];
  EXPECT_EQ(clock["of"], "steps");
  EXPECT_EQ(clock["step"], made.results["runs"]["r-mamba-1"]["curves"]["train"]["step"]);
  EXPECT_NEAR(clock["seconds"].back().get<double>(), 450 * 4096 / 5200.0, 0.01);
  ASSERT_EQ(made.timing["environments"].size(), 1u);
  EXPECT_EQ(made.timing["environments"][0]["runs"], OrderedJson({"r-mamba-1", "r-mixture_of_mamba-1"}));
  const OrderedJson& values = made.timing["environments"][0]["values"];
  EXPECT_EQ(values["cpu"], "a test, no machine");
  EXPECT_EQ(values["threads"], "2");
  EXPECT_FALSE(values.contains("machine.host"));
}

TEST_F(ResultsTest, WhatIsWrittenReadsBack) {
  for (const char* name : {"r-mamba-1", "r-mamba-2"}) finish(name, 0.13);
  finish("r-mixture_of_mamba-2", 0.12, kAll);
  failed_["r-mixture_of_mamba-1"] = "not finite";
  const StudyTables made = tables();
  const StudyResults read = parse_results(made.results, made.timing, "results");
  ASSERT_EQ(read.groups.size(), 1u);
  const ArmResult& arm = *read.groups[0].find("mixture_of_mamba");
  EXPECT_EQ(arm.seeds, std::vector<int64_t>{2});
  EXPECT_NEAR(*arm.find("noto", "image")->gain.mean, gain(0.13, 0.12), 1e-12);
  EXPECT_FALSE(arm.find("noto", "image")->gain.interval.has_value());
  EXPECT_EQ(arm.find("noto", "image")->seconds_to_match.values.size(), 1u);
  EXPECT_EQ(read.runs_of(read.groups[0], "mamba").size(), 2u);
  EXPECT_EQ(read.runs[1].error, "not finite");
  EXPECT_EQ(read.runs[0].timing.step, read.runs[0].train.step);
}

TEST(ResultsFile, CurvesThatDoNotFitAreErrors) {
  const OrderedJson run = parse_ordered_json(
      R"({"title":"t","baseline":"b","seeds":[1],"eval_tokens":0,"groups":{},"runs":{"r":{"state":"finished",
      "recipe":"x","variant":"","arm":"b","model":"m","seed":1,"steps":2,"tokens":2,"flops":2,"losses":{},
      "resolved_recipe":{},"curves":{"held_out":{},"train":{"step":[1,2],"tokens":[1,2],"flops":[1,2],"loss":[3,2]}}}}})",
      "results");
  EXPECT_EQ(parse_results(run, nullptr, "results").runs[0].train.losses[0].second.size(), 2u);
  for (const auto& [key, value] : std::vector<std::pair<std::string, OrderedJson>>{
           {"step", {2, 1}}, {"flops", {1, 1}}, {"tokens", {1}}, {"loss", {1, 2, 3}}, {"step", {1, "x"}}}) {
    OrderedJson damaged = run;
    damaged["runs"]["r"]["curves"]["train"][key] = value;
    EXPECT_THROW(parse_results(damaged, nullptr, "results"), InputError) << key;
  }
}

TEST_F(ResultsTest, NeverIsNullAndTheMeanOfTheOthersIsNotGiven) {
  for (const char* name : {"r-mamba-1", "r-mamba-2"}) finish(name, 0.13);
  finish("r-mixture_of_mamba-1", 0.12, kAll);
  finish("r-mixture_of_mamba-2", 0.20, kAll);
  const OrderedJson results = tables().results;
  const OrderedJson& image = results["groups"]["r"]["arms"]["mixture_of_mamba"]["sets"]["noto"]["image"];
  EXPECT_TRUE(image["flops_to_match"]["values"][1].is_null());
  EXPECT_TRUE(image["flops_to_match"]["mean"].is_null());
  EXPECT_TRUE(image["flops_to_match"]["interval"].is_null());
  const std::string page = words(results);
  EXPECT_NE(page.find("not reached"), std::string::npos) << page;
  EXPECT_NE(page.find("undecided, better with 1 of 2 seeds"), std::string::npos) << page;
}

TEST_F(ResultsTest, OneSeedHasNoInterval) {
  study_.seeds = {1};
  finish("r-mamba-1", 0.13);
  finish("r-mixture_of_mamba-1", 0.20, kAll);
  const OrderedJson results = tables().results;
  EXPECT_TRUE(results["groups"]["r"]["arms"]["mixture_of_mamba"]["sets"]["noto"]["image"]["gain"]["interval"]
                  .is_null());
  EXPECT_NE(words(results).find("image: Mixture-of-Mamba against dense Mamba: worse (gain "),
            std::string::npos)
      << words(results);
}

TEST_F(ResultsTest, AFailedRunLeavesTheOtherSeed) {
  for (const char* name : {"r-mamba-1", "r-mamba-2"}) finish(name, 0.13);
  finish("r-mixture_of_mamba-2", 0.12, kAll);
  failed_["r-mixture_of_mamba-1"] = "not finite";
  const OrderedJson results = tables().results;
  EXPECT_EQ(results["groups"]["r"]["arms"]["mixture_of_mamba"]["seeds"], OrderedJson({2}));
  EXPECT_EQ(results["runs"]["r-mixture_of_mamba-1"]["error"], "not finite");
  EXPECT_NE(words(results).find("r-mixture_of_mamba-1 failed: not finite"), std::string::npos);
}

TEST_F(ResultsTest, AModelBesideTheBackbonesIsToldFromItsLike) {
  study_.models = {{"wide", {"model.backbone=mamba"}}, {"split", {"model.route=random"}}};
  finish("r-mamba-2", 0.13);
  finish("r-wide-2", 0.12);
  finish("r-split-2", 0.12, kAll);
  const OrderedJson results = tables().results, &arms = results["groups"]["r"]["arms"];
  EXPECT_EQ(arms["wide"]["model"], "dense Mamba (wide)");
  EXPECT_EQ(arms["wide"]["baseline_model"], "dense Mamba");
  EXPECT_EQ(arms["split"]["model"], "Mixture-of-Mamba");  // no other is called so here
  EXPECT_EQ(results["runs"]["r-wide-2"]["model"], "dense Mamba (wide)");
  EXPECT_NE(words(results).find("dense Mamba (wide) against dense Mamba: better"), std::string::npos)
      << words(results);
}

TEST_F(ResultsTest, NothingFinishedIsSaid) {
  const OrderedJson results = tables().results;
  EXPECT_EQ(results["runs"]["r-mamba-1"]["state"], "unfinished");
  EXPECT_NE(words(results).find("No two runs to compare"), std::string::npos);
}

TEST_F(ResultsTest, InteractionIsJointLessTheSumOfSingles) {
  study_.decoupled = {"all_subsets"};
  study_.seeds = {1};
  const std::vector<double> alone = {0.128, 0.131, 0.130, 0.127};  // one of them worse than dense
  for (const Arm& arm : expand(study_, kKnownToResults).arms) {
    const auto subset = arm.decoupled.value_or(std::vector<std::string>());
    double floor = 0.13;
    for (size_t i = 0; i < 4; ++i)
      if (std::count(subset.begin(), subset.end(), kKnownToResults.projections[i])) floor += alone[i] - 0.13;
    if (subset.size() == 4) floor -= 0.002;  // more together
    finish("r-" + arm.name + "-1", floor, subset.empty() ? "" : Json(subset).dump());
  }
  const OrderedJson results = tables().results;
  const OrderedJson& interaction = results["groups"]["r"]["interaction"]["noto"]["image"];
  EXPECT_NEAR(interaction["mean"].get<double>(), gain(0.13, 0.128), 1e-9);  // 0.002 below the floor, too
  const std::string page = words(results);
  EXPECT_NE(page.find("add up to less: interaction"), std::string::npos) << page;
  EXPECT_LT(page.find("| all four | "), page.find("| out_proj | ")) << page;
  EXPECT_LT(page.find("| out_proj | "), page.find("| in_proj | ")) << page;
  EXPECT_LT(page.find("| in_proj | "), page.find("| x_proj | ")) << page;
  EXPECT_LT(page.find("| in_proj | "), page.find("| none (mamba) | ")) << page;
  EXPECT_LT(page.find("| none (mamba) | "), page.find("| x_proj | ")) << page;
  EXPECT_EQ(page.find("Mixture-of-Mamba (x_proj)"), std::string::npos) << "subsets have a table of their own";
  EXPECT_EQ(results["groups"]["r"]["arms"].size(), 15u);
}

TEST(Summary, ByHand) {
  EXPECT_EQ(summary_json({}).dump(), R"({"values":[],"mean":null,"interval":null})");
  EXPECT_EQ(summary_json({2.0}).dump(), R"({"values":[2.0],"mean":2.0,"interval":null})");
  EXPECT_EQ(summary_json({2.0, 4.0}).dump(), R"({"values":[2.0,4.0],"mean":3.0,"interval":[2.0,4.0]})");
  EXPECT_EQ(summary_json({2.0, std::nullopt}).dump(), R"({"values":[2.0,null],"mean":null,"interval":null})");
}

}  // namespace
}  // namespace mom::study
