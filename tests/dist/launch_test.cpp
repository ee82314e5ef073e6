#include "mom/dist/launch.h"

#include <sstream>

#include "tests/dist/processes.h"

namespace mom::dist {
namespace {

// The launcher is process 0 of these: `a_rank launch`.
class Launch : public Processes {
 protected:
  void launch(int processes, int restarts, const std::string& job, std::vector<std::string> variables = {}) {
    start({"launch", std::to_string(processes), std::to_string(restarts), folder_.path().string(), job},
          std::move(variables));
  }
  Outcome outcome() { return outcomes()[0]; }
  std::string rank_log(int rank) const {
    return read_file(folder_ / ("rank-" + std::to_string(rank) + ".log"));
  }
  pid_t id_of_rank(int rank) const {  // the launcher's children, in the order of their start
    const std::string id = std::to_string(ranks_[0]->id());
    std::istringstream ids(read_file("/proc/" + id + "/task/" + id + "/children"));
    pid_t found = 0;
    for (int i = 0; i <= rank; ++i) ids >> found;
    return found;
  }
  std::string start_line(int rank, int size) const {
    return " rank " + std::to_string(rank) + " of " + std::to_string(size) + "\n";
  }
};

TEST_F(Launch, runsAllRanks) {
  launch(3, 0, "everything");
  const Outcome all = outcome();
  EXPECT_TRUE(all.ended.well()) << all.text;
  EXPECT_EQ(all.text, "");
  for (int rank : {1, 2}) {
    EXPECT_TRUE(rank_log(rank).starts_with("--- 2")) << rank_log(rank);
    EXPECT_TRUE(rank_log(rank).ends_with(start_line(rank, 3))) << rank_log(rank);
  }
}

TEST_F(Launch, passesASignalOnAndExitsAsTheRanksDo) {
  launch(2, 3, "stop");
  until_started();
  ranks_[0]->ask_to_stop();
  const Outcome all = outcome();
  EXPECT_EQ(all.ended.code, 75);
  EXPECT_EQ(all.text, "started\nerror: stopped, saved\n");  // rank 0's own
  EXPECT_TRUE(rank_log(1).ends_with("started\nerror: stopped, saved\n"));
}

// As ranks that still start: they have nothing to save, and no handler yet.
TEST_F(Launch, stopsRanksThatTheSignalItselfEnds) {
  start({"launch", "2", "3", folder_.path().string(), "loop", "60000"}, {});
  until_started();
  ranks_[0]->ask_to_stop();
  expect_error(outcome(), 75, "stopped with nothing to save");
}

TEST_F(Launch, namesTheRankThatFailedFirst) {
  launch(3, 0, "error");
  const Outcome all = outcome();
  EXPECT_EQ(all.ended.code, 4);
  EXPECT_NE(all.text.find("error: rank 1 of 3 ended by exit code 4"), std::string::npos) << all.text;
}

TEST_F(Launch, saysOnceWhatAllRanksSay) {
  launch(2, 3, "usage");  // and does not start them again
  const Outcome all = outcome();
  EXPECT_EQ(all.ended.code, 2);
  EXPECT_EQ(all.text, "error: recipe.toml: expected steps\n");
}

TEST_F(Launch, namesASignalAndTheLastLineOfTheLog) {
  launch(2, 0, "stop");
  until_started();
  until([&] { return rank_log(1).ends_with("started\n"); });
  ::kill(id_of_rank(1), SIGKILL);
  const Outcome all = outcome();
  EXPECT_EQ(all.ended.code, 1);
  EXPECT_NE(all.text.find("error: rank 1 of 2 ended by signal 9 (Killed); the last line of "),
            std::string::npos);
  EXPECT_TRUE(all.text.ends_with("rank-1.log: started\n")) << all.text;
}

TEST_F(Launch, startsAllAgainAfterACrash) {
  launch(2, 2, "crash");
  const Outcome all = outcome();
  EXPECT_EQ(all.ended.code, 0);
  EXPECT_NE(all.text.find("warning: rank 1 of 2 ended by signal 9 (Killed); starting all again (1 of 2)"),
            std::string::npos)
      << all.text;
  EXPECT_NE(rank_log(1).find(start_line(1, 2)), rank_log(1).rfind(start_line(1, 2)));  // twice
}

TEST_F(Launch, doesNotStartAgainMoreOftenThanAsked) {
  launch(2, 0, "crash");
  EXPECT_EQ(outcome().ended.code, 1);
}

TEST_F(Launch, killsARankThatDoesNotEnd) {
  launch(2, 0, "deaf");
  const Outcome all = outcome();
  EXPECT_EQ(all.ended.code, 4);
  EXPECT_EQ(all.text, "error: the disk is full\n");
}

TEST_F(Launch, takesTheRanksAlongWhenItDies) {
  launch(2, 0, "stop");
  until_started();
  const int rank = id_of_rank(0);
  ranks_[0]->send(SIGKILL);
  EXPECT_EQ(outcome().ended.signal, SIGKILL);
  until([&] {
    return ::kill(rank, 0) != 0 ||
           read_file("/proc/" + std::to_string(rank) + "/stat").find(") Z") != std::string::npos;
  });
}

TEST_F(Launch, sharesTheCoresUnlessTheUserSaysOtherwise) {
  launch(2, 0, "threads", {"OMP_NUM_THREADS=7"});
  EXPECT_EQ(outcome().text, "7 threads\n");
}

TEST_F(Launch, refusesToRunUnderAnotherLauncher) {
  launch(2, 0, "everything", {"RANK=0"});
  expect_error(outcome(), 2, "--processes: expected no RANK in the environment");
}

// The store is the agent's, and what the first attempt left is still in it at the second.
TEST_F(Launch, torchrunStartsAndRestartsRanks) {
  const char* torchrun = std::getenv("MOM_TORCHRUN");
  if (!torchrun) GTEST_SKIP() << "MOM_TORCHRUN is not set";
  start_program(
      torchrun,
      {"--no-python", "--nproc-per-node", "2", "--max-restarts", "1", "--monitor-interval", "0.1",
       "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--", program_.string(), "crash"},
      {});
  const Outcome all = outcome();
  EXPECT_EQ(all.ended.code, 0) << all.text;
  EXPECT_NE(all.text.find("(exitcode: -9) local_rank: 1"), std::string::npos) << all.text;
}

TEST(LaunchOptions, areTakenOutOfTheCommandLine) {
  EXPECT_EQ(without_options(
                {"--quiet", "train", "a.toml", "--processes", "2", "--run", "r", "--restarts=3", "--resume"},
                {"--processes", "--restarts"}),
            (std::vector<std::string>{"--quiet", "train", "a.toml", "--run", "r", "--resume"}));
}

}  // namespace
}  // namespace mom::dist
