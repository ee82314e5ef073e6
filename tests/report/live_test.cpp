#include "mom/report/live.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "tests/support/fake_runs.h"

namespace mom::report {
namespace {

class LiveTest : public testing::Test {
 protected:
  Path write(const std::string& id, test::FakeRun run = {}) {
    run.images = false;
    return test::write_fake_run(folder_ / id, run);
  }
  std::map<std::string, OrderedJson> runs() {
    std::map<std::string, OrderedJson> by_id;
    const OrderedJson list = live_.list();
    for (const OrderedJson& run : list.at("runs")) by_id[run.at("id")] = run;
    return by_id;
  }
  test::TempFolder folder_;
  LiveRuns live_{folder_.path()};
};

TEST_F(LiveTest, RunsAreFoundBelowTheFolderAndNotInsideRuns) {
  write("alone"), write("study/runs/a"), write("study/runs/b"), write("study/runs/b/copy"),
      write(".hidden/c");
  test::write_text(folder_ / "study" / "results.json", "{}");
  const auto found = runs();
  std::vector<std::string> ids;
  for (const auto& [id, run] : found) ids.push_back(id);
  EXPECT_EQ(ids, (std::vector<std::string>{"alone", "study/runs/a", "study/runs/b"}));
  EXPECT_EQ(live_.list().at("studies").dump(), R"([{"id":"study"}])");
}

TEST_F(LiveTest, ARunSaysHowFarItIs) {
  const Path path = write("run");
  test::write_text(path / "lock", "process 1 on a host\n");
  const OrderedJson run = runs().at("run");
  EXPECT_EQ(run.at("state"), "training");
  EXPECT_EQ(run.at("step"), 450);
  EXPECT_EQ(run.at("label"), "dense Mamba");
  EXPECT_EQ(run.at("tokens"), 450 * 4096);
  const OrderedJson& image = run.at("curves").at("image");
  EXPECT_EQ(image.at("steps").size(), 60u);
  EXPECT_EQ(image.at("steps").back(), 450);
  EXPECT_EQ(image.at("loss").size(), 60u);
  std::filesystem::remove(path / "lock");
  EXPECT_NE(runs().at("run").at("state"), "training");
}

TEST_F(LiveTest, TimeLeftIsOfTheStepsThatRemain) {
  test::FakeRun fake;
  const Path path = write("run", fake);
  std::string recipe = read_file(path / "recipe.toml");
  const std::string steps = "steps = 450";
  ASSERT_NE(recipe.find(steps), std::string::npos) << recipe;
  test::write_text(path / "recipe.toml", recipe.replace(recipe.find(steps), steps.size(), "steps = 900"));
  EXPECT_EQ(runs().at("run").at("state"), "stopped");
  EXPECT_FALSE(runs()["run"].contains("seconds_left"));
  test::write_text(path / "lock", "");
  const OrderedJson run = runs().at("run");
  EXPECT_NEAR(run.at("seconds_left").get<double>(), 450 * 4096 / run.at("tokens_per_s").get<double>(), 1e-6);
}

TEST_F(LiveTest, WhatIsWrittenMeanwhileIsSeen) {
  const Path path = write("run");
  EXPECT_EQ(runs().at("run").at("step"), 450);
  std::string log = read_file(path / "metrics.jsonl");
  log.resize(log.size() / 2);
  test::write_text(path / "metrics.jsonl", log.substr(0, log.rfind('\n') + 1));
  EXPECT_LT(runs().at("run").at("step").get<double>(), 450);
}

TEST_F(LiveTest, ADamagedRunIsNamedAndTheOthersAreThere) {
  write("good");
  test::write_text(write("damaged") / "metrics.jsonl", "no JSON\n");
  const auto found = runs();
  EXPECT_EQ(found.at("damaged").at("state"), "unreadable");
  EXPECT_NE(found.at("damaged").at("error").get<std::string>().find("metrics.jsonl:1"), std::string::npos);
  EXPECT_EQ(found.at("good").at("step"), 450);
}

TEST_F(LiveTest, APageIsOfIdsInTheListOnly) {
  write("a"), write("b", test::fake_mix());
  const test::TempFolder elsewhere;
  test::write_fake_run(elsewhere / "secret", {});
  EXPECT_EQ(live_.page({"a", "b"}).at("comparisons").size(), 1u);
  const std::string outside = (elsewhere / "secret").lexically_relative(folder_.path()).string();
  for (const std::string& id :
       {outside, (elsewhere / "secret").string(), std::string("a/../b"), std::string("")})
    EXPECT_THROW(live_.page({id}), UserError) << id;
  EXPECT_THROW(live_.page({}), UserError);
}

}  // namespace
}  // namespace mom::report
