#include "mom/study/jobs.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "mom/base/error.h"
#include "mom/base/signals.h"
#include "tests/support/temp_folder.h"

namespace mom::study {
namespace {

// Jobs of the shell: {"-c", SCRIPT}.
class JobsTest : public testing::Test {
 protected:
  Job job(const std::string& name, const std::vector<std::string>& scripts) {
    Job result{name, {}};
    for (const std::string& script : scripts) result.commands.push_back({script, {"-c", script}});
    return result;
  }
  JobPool pool(std::vector<Job> jobs, int64_t at_once = 2) {
    return JobPool({"/bin/sh", folder_.path(), at_once, 3}, std::move(jobs));
  }
  std::string quoted(const std::string& name) {
    return "'" + (folder_ / name).string() + "'";
  }  // for the shell
  std::string text(const std::string& name) { return read_file(folder_ / name); }
  test::TempFolder folder_;
};

TEST_F(JobsTest, WhatFailsEndsItsOwnJobOnly) {
  const std::string file = quoted("after");
  auto results = pool({job("bad", {"echo 'mom: error: old' >&2; echo 'mom: error: too wide' >&2; exit 2",
                                   "touch " + file}),
                       job("good", {"echo out; echo threads $OMP_NUM_THREADS", "exit 0"}),
                       job("killed", {"kill -9 $$"}), job("silent", {"exit 3"})})
                     .run();
  EXPECT_EQ(results[0].error, "too wide");
  EXPECT_EQ(results[0].exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "after"));
  EXPECT_TRUE(results[1].done);
  EXPECT_EQ(text("good.log"), "out\nthreads 3\n");
  EXPECT_EQ(results[2].error, "ended by signal 9 (Killed)");
  EXPECT_EQ(results[2].exit_code, 1);
  EXPECT_EQ(results[3].error, "exit code 3");
}

TEST_F(JobsTest, AJobThatCannotBePreparedFailsAlone) {
  Job bad = job("bad", {"exit 0"});
  bad.prepare = [] { throw UserError("not now"); };
  const auto results = pool({bad, job("good", {"exit 0"})}).run();
  EXPECT_EQ(results[0].error, "not now");
  EXPECT_EQ(results[0].exit_code, 2);
  EXPECT_TRUE(results[1].done);
}

TEST_F(JobsTest, AnErrorOfAnEarlierTryIsNotShownAgain) {
  test::write_file(folder_ / "a.log", "mom: error: long ago\n");
  EXPECT_EQ(pool({job("a", {"exit 4"})}).run()[0].error, "exit code 4");
}

TEST_F(JobsTest, NoMoreAtOnceThanAsked) {
  const std::string script = "mkdir " + quoted("one") + " || exit 9; sleep 0.1; rmdir " + quoted("one");
  for (const JobResult& result : pool({job("a", {script}), job("b", {script}), job("c", {script})}, 1).run())
    EXPECT_TRUE(result.done) << result.error;
}

TEST_F(JobsTest, StdoutGoesWhereACommandSays) {
  Job one = job("a", {"echo 1; echo 2 >&2"});
  one.commands[0].out = folder_ / "out.json";
  pool({one}).run();
  EXPECT_EQ(text("out.json"), "1\n");
  EXPECT_EQ(text("a.log"), "2\n");
}

TEST_F(JobsTest, ASignalAsksEachOnceAndWaits) {
  const StopSignals signals;
  // Saves for a while, and says so; the next command and the next job are not begun.
  const std::string saves =
      "trap 'sleep 0.3; echo saved; exit 75' TERM; touch " + quoted("up") + "; while :; do sleep 0.02; done";
  JobPool jobs = pool({job("a", {saves, "echo more"}), job("b", {"echo never"})}, 1);
  std::thread sender([&] {
    while (!std::filesystem::exists(folder_ / "up"))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ::kill(::getpid(), SIGTERM);
  });
  const auto results = jobs.run();
  sender.join();
  EXPECT_TRUE(jobs.stopped());
  EXPECT_EQ(text("a.log"), "saved\n");
  EXPECT_EQ(results[0].error, "");
  EXPECT_FALSE(results[0].done);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "b.log"));
}

// A process that dies takes its children with it, whatever it dies of.
TEST_F(JobsTest, ChildrenDieWithUs) {
  const std::string pid_file = quoted("pid");
  const pid_t middle = ::fork();
  if (middle == 0) {
    Child child("/bin/sh", {"-c", "echo $$ > " + pid_file + "; exec sleep 60"}, {{}, folder_ / "log", ""});
    ::pause();
  }
  pid_t pid = 0;
  while (pid == 0) {
    std::ifstream(folder_ / "pid") >> pid;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(::kill(pid, 0), 0);
  ::kill(middle, SIGKILL);
  for (int i = 0; i < 1000; ++i) {  // gone, or a zombie that nobody has waited for
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    if (!(stat >> number >> name >> state) || state == "Z") return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  FAIL() << "process " << pid << " lives on";
}

}  // namespace
}  // namespace mom::study
