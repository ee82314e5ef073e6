// What only a timeout ends.
#include "tests/dist/processes.h"

namespace mom::dist {
namespace {

class Timeouts : public Processes {};

TEST_F(Timeouts, aStoppedRankEndsTheOthersAfterTheTimeout) {
  start_all("loop", 3, /*timeout_s=*/2);
  until_started();
  ranks_[1]->send(SIGSTOP);
  const std::vector<Outcome> all = outcomes({1});
  for (size_t r : {0, 2}) {
    expect_error(all[r], 1, "rank 1: gone or stalled");
    EXPECT_GT(all[r].seconds, 1.5);
  }
  ranks_[1]->send(SIGCONT);
  EXPECT_EQ(outcomes({0, 2})[1].ended.code, 1);  // it does not hang either
}

// Which keeps the store that the others would ask.
TEST_F(Timeouts, aStoppedRankZeroEndsTheOthers) {
  start_all("loop", 3, /*timeout_s=*/1);
  until_started();
  ranks_[0]->send(SIGSTOP);
  const std::vector<Outcome> all = outcomes({0});
  for (size_t r : {1, 2}) expect_error(all[r], 1, "rank 0, which keeps the meeting point");
}

TEST_F(Timeouts, aLateRankIsNotTakenForADeadOne) {
  start_all("late", 3, /*timeout_s=*/2);
  const std::vector<Outcome> all = outcomes({1});
  for (size_t r : {0, 2}) expect_error(all[r], 1, "rank 1: alive, but late");
}

TEST_F(Timeouts, ranksThatDoNotComeAreNamed) {
  start_rank("loop", 0, 4, 2);
  start_rank("loop", 2, 4, 2);
  for (const Outcome& outcome : outcomes())
    expect_error(outcome, 2,
                 "ranks 1, 3 of 4 did not come to 127.0.0.1:" + std::to_string(port_) + " within 2 s");
}

TEST_F(Timeouts, rankZeroThatDoesNotComeIsNamed) {
  start_rank("loop", 1, 2, 2);
  expect_error(outcomes()[0], 2,
               "rank 0 does not answer at 127.0.0.1:" + std::to_string(port_) + " within 2 s");
}

TEST_F(Timeouts, aPortInUse) {
  const Listener other;
  port_ = other.port();
  start_all("loop", 2, 2);
  const std::vector<Outcome> all = outcomes();
  expect_error(all[0], 2,
               "MASTER_PORT: rank 0 cannot open port " + std::to_string(port_) + " (it is in use)");
  expect_error(all[1], 2, "does not answer");
}

}  // namespace
}  // namespace mom::dist
