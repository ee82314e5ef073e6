#include "tests/dist/processes.h"

namespace mom::dist {
namespace {

TEST_F(Processes, moveEverything) {
  for (int size : {2, 3}) {
    ranks_.clear();
    start_all("everything", size);
    for (const Outcome& outcome : outcomes()) {
      EXPECT_TRUE(outcome.ended.well()) << outcome.text;
      EXPECT_EQ(outcome.text, "");  // also no warnings
    }
  }
}

TEST_F(Processes, aKilledRankEndsTheOthers) {
  for (size_t victim : {0, 2}) {
    ranks_.clear();
    for (size_t r = 0; r < 3; ++r) std::filesystem::remove(log(r));
    start_all("loop", 3);
    until_started();
    ranks_[victim]->send(SIGKILL);
    const std::vector<Outcome> all = outcomes();
    for (size_t r = 0; r < 3; ++r) {
      if (r == victim) continue;
      expect_error(all[r], 1, "rank " + std::to_string(victim));
      EXPECT_NE(all[r].text.find("gone or stalled"), std::string::npos);
      EXPECT_LT(all[r].seconds, 8);  // far from the timeout of 30 s
    }
  }
}

TEST_F(Processes, theReasonOfARankReachesTheOthers) {
  start_all("error", 3);
  const std::vector<Outcome> all = outcomes();
  EXPECT_EQ(all[1].ended.code, 4);
  for (size_t r : {0, 2}) expect_error(all[r], 1, "rank 1 ended: the disk is full");
}

TEST_F(Processes, aRankThatEndsEarlyIsNamed) {
  start_all("quit", 3);
  const std::vector<Outcome> all = outcomes();
  EXPECT_TRUE(all[1].ended.well());
  for (size_t r : {0, 2}) expect_error(all[r], 1, "rank 1: ended while others go on");
}

TEST_F(Processes, aRankThatIsThereTwice) {
  start_rank("loop", 0, 2, 3);
  start_rank("loop", 1, 2, 3);
  until_started();
  start_rank("loop", 1, 2, 3);
  until([&] { return !text(2).empty(); });
  const std::vector<Outcome> all = outcomes({0, 1});
  expect_error(all[2], 2, "as rank 1");
}

TEST_F(Processes, aPartialEnvironment) {
  start({"loop"}, {"RANK=0", "WORLD_SIZE=2", "LOCAL_RANK=0", "MASTER_ADDR=127.0.0.1"});
  start({"loop"},
        {"RANK=0", "WORLD_SIZE=2", "LOCAL_RANK=0", "MASTER_ADDR=no.such.host.invalid", "MASTER_PORT=1"});
  const std::vector<Outcome> all = outcomes();
  expect_error(all[0], 2, "MASTER_PORT: expected a value");
  expect_error(all[1], 2, "MASTER_ADDR: expected");
}

}  // namespace
}  // namespace mom::dist
