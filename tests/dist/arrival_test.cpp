// How ranks meet, and do not.
#include "tests/dist/processes.h"

namespace mom::dist {
namespace {

class Arrival : public Processes {};

TEST_F(Arrival, aRankThatIsThereTwice) {
  start_rank("loop", 0, 2, 60);
  start_rank("loop", 1, 2, 60);
  until_started();
  start_rank("loop", 1, 2, 60);
  until([&] { return !text(2).empty(); });
  const std::vector<Outcome> all = outcomes({0, 1});
  expect_error(all[2], 2, "as rank 1");
}

TEST_F(Arrival, aPartialEnvironment) {
  start({"loop"}, {"RANK=0", "WORLD_SIZE=2", "LOCAL_RANK=0", "MASTER_ADDR=127.0.0.1"});
  start({"loop"},
        {"RANK=0", "WORLD_SIZE=2", "LOCAL_RANK=0", "MASTER_ADDR=no.such.host.invalid", "MASTER_PORT=1"});
  const std::vector<Outcome> all = outcomes();
  expect_error(all[0], 2, "MASTER_PORT: expected a value");
  expect_error(all[1], 2, "MASTER_ADDR: expected");
}

TEST_F(Arrival, ranksThatDoNotComeAreNamed) {
  start_rank("loop", 0, 4, 3);
  start_rank("loop", 2, 4, 3);
  for (const Outcome& outcome : outcomes())
    expect_error(outcome, 2,
                 "ranks 1, 3 of 4 did not come to 127.0.0.1:" + std::to_string(port_) + " within 3 s");
}

TEST_F(Arrival, rankZeroThatDoesNotComeIsNamed) {
  start_rank("loop", 1, 2, 1);
  expect_error(outcomes()[0], 2,
               "rank 0 does not answer at 127.0.0.1:" + std::to_string(port_) + " within 1 s");
}

TEST_F(Arrival, aPortInUse) {
  const Listener other;
  port_ = other.port();
  start_all("loop", 2, 1);
  const std::vector<Outcome> all = outcomes();
  expect_error(all[0], 2,
               "MASTER_PORT: rank 0 cannot open port " + std::to_string(port_) + " (it is in use)");
  expect_error(all[1], 2, "does not answer");
}

}  // namespace
}  // namespace mom::dist
