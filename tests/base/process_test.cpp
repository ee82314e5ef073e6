#include "mom/base/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "tests/support/temp_folder.h"

namespace mom {
namespace {

Ended end_of(Child& child) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < give_up) {
    if (const std::optional<Ended> ended = child.poll()) return *ended;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ADD_FAILURE() << "it does not end";
  return {};
}

Ended shell(const std::string& script, const Child::Options& options = {}) {
  Child child("/bin/sh", {"-c", script}, options);
  return end_of(child);
}

TEST(Child, SaysHowItEnded) {
  const Ended three = shell("exit 3");
  EXPECT_EQ(three.code, 3);
  EXPECT_EQ(three.signal, 0);
  EXPECT_FALSE(three.well());
  EXPECT_EQ(describe_end(three), "exit code 3");
  const Ended killed = shell("kill -9 $$");
  EXPECT_EQ(killed.code, 0);
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_FALSE(killed.well());
  EXPECT_EQ(describe_end(killed), "signal 9 (Killed)");
  const Ended slow = shell("sleep 0.2");
  EXPECT_TRUE(slow.well());
  EXPECT_GE(slow.seconds, 0.2);
  EXPECT_GT(slow.peak_rss_bytes, 0);
  Child nothing("/no/such/program", {}, {});
  EXPECT_EQ(end_of(nothing).code, 127);
  EXPECT_FALSE(nothing.poll());  // the end is said once
  nothing.send(SIGTERM);         // to nobody
}

TEST(Child, WhatItWritesAndReads) {
  const test::TempFolder folder;
  Child::Options options;
  options.log = folder / "log";
  EXPECT_TRUE(shell("echo first; echo second >&2", options).well());
  EXPECT_TRUE(shell("echo third >&2; cat", options).well());  // nothing to read
  EXPECT_EQ(read_file(folder / "log"), "first\nsecond\nthird\n");
  options.out = folder / "out";
  EXPECT_TRUE(shell("echo what was there before", options).well());
  EXPECT_TRUE(shell("echo out; echo err >&2", options).well());
  EXPECT_EQ(read_file(folder / "out"), "out\n");
  EXPECT_EQ(read_file(folder / "log"), "first\nsecond\nthird\nerr\n");
  options.log = folder / "none/log";
  EXPECT_EQ(shell("true", options).code, 127);
}

TEST(Child, ItsEnvironment) {
  const test::TempFolder folder;
  ASSERT_EQ(::setenv("MOM_TEST_OURS", "ours", 1), 0);
  ASSERT_EQ(::setenv("MOM_TEST_CHANGED", "before", 1), 0);
  Child::Options options;
  options.out = folder / "out";
  options.variables = {"MOM_TEST_CHANGED=after", "MOM_TEST_NEW=new = 1"};
  EXPECT_TRUE(shell("echo $MOM_TEST_OURS, $MOM_TEST_CHANGED, $MOM_TEST_NEW", options).well());
  EXPECT_EQ(read_file(folder / "out"), "ours, after, new = 1\n");
}

TEST(Child, WhatItInherits) {
  const test::TempFolder folder;
  const int file = ::open((folder / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  ASSERT_GE(file, 0);
  const std::string write = "echo kept >&" + std::to_string(file);
  Child::Options options;
  options.log = folder / "log";
  EXPECT_FALSE(shell(write, options).well());
  options.inherited = file;
  EXPECT_TRUE(shell(write, options).well());
  ::close(file);
  EXPECT_EQ(read_file(folder / "file"), "kept\n");
}

TEST(Child, IsAskedToStopAndKilledWhenItIsNotWanted) {
  const test::TempFolder folder;
  Child::Options options;
  options.out = folder / "out";
  // Signals that we have blocked are not blocked there.
  sigset_t stopping, before;
  ::sigemptyset(&stopping);
  ::sigaddset(&stopping, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &stopping, &before);
  pid_t id = 0;
  {
    Child asked("/bin/sh", {"-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done"}, options);
    while (!std::filesystem::exists(folder / "out") || read_file(folder / "out") != "ready\n")
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_FALSE(asked.poll());
    EXPECT_EQ(::getpgid(asked.id()), asked.id());  // Ctrl-C is ours alone
    asked.ask_to_stop();
    EXPECT_EQ(end_of(asked).code, 7);
    Child ended("/bin/sleep", {"60"}, {});  // a shell would let the signal through by itself
    ended.ask_to_stop();
    EXPECT_EQ(end_of(ended).signal, SIGTERM);
    const Child dropped("/bin/sleep", {"60"}, {});
    id = dropped.id();
    EXPECT_EQ(::kill(id, 0), 0);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(::kill(id, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

}  // namespace
}  // namespace mom
