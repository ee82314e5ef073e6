// Ranks that do not answer.
#include "tests/dist/processes.h"

namespace mom::dist {
namespace {

class Stall : public Processes {};

TEST_F(Stall, aStoppedRankEndsTheOthersAfterTheTimeout) {
  start_all("loop", 3, 60, /*wait_ms=*/2000);
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
TEST_F(Stall, aStoppedRankZeroEndsTheOthers) {
  start_all("loop", 3, 60, /*wait_ms=*/1000);
  until_started();
  ranks_[0]->send(SIGSTOP);
  const std::vector<Outcome> all = outcomes({0});
  for (size_t r : {1, 2}) expect_error(all[r], 1, "rank 0, which keeps the meeting point");
}

TEST_F(Stall, aLateRankIsNotTakenForADeadOne) {
  start_all("late", 3, 60, /*wait_ms=*/1000);
  const std::vector<Outcome> all = outcomes({1});
  for (size_t r : {0, 2}) expect_error(all[r], 1, "rank 1: alive, but late");
}

}  // namespace
}  // namespace mom::dist
