// Work in child processes: results in order, failures told, nothing hangs.
#include "mom/quickstart/workers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "mom/base/error.h"

namespace mom::quickstart {
namespace {

const auto kIgnore = [](int64_t) {};

TEST(Workers, ResultsComeInOrderWhateverTheNumberOfProcesses) {
  for (const int64_t processes : {1, 2, 3, 20}) {
    int64_t last = 0;
    const auto results = run_in_processes(
        17, processes, "test",
        [](int64_t i) { return std::string(static_cast<size_t>(i) * 50'000, 'a' + char(i)); },
        [&](int64_t done) { EXPECT_EQ(done, ++last); });
    EXPECT_EQ(last, 17);
    ASSERT_EQ(results.size(), 17u);
    for (size_t i = 0; i < 17; ++i)
      EXPECT_EQ(results[i], std::string(i * 50'000, static_cast<char>('a' + i)));
  }
  EXPECT_TRUE(run_in_processes(
                  0, 4, "test", [](int64_t) { return ""; }, kIgnore)
                  .empty());
}

TEST(Workers, WhatALibraryPrintsIsNotSeen) {
  testing::internal::CaptureStdout();
  run_in_processes(
      2, 2, "test", [](int64_t) { return std::puts("noise"), std::fflush(stdout), ""; }, kIgnore);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(Workers, ErrorsAreThrownHere) {
  const auto fail = [](int64_t i) -> std::string {
    if (i == 5) throw InputError("item 5 is bad");
    return "";
  };
  try {
    run_in_processes(100, 3, "test", fail, kIgnore);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "item 5 is bad");
  }
}

TEST(Workers, ADeadProcessIsAnError) {
  const auto die = [](int64_t i) -> std::string {
    if (i == 3) std::abort();
    return "x";
  };
  try {
    run_in_processes(10, 2, "the work", die, kIgnore);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the work: a process ended"), std::string::npos) << error.what();
  }
}

TEST(RunProgram, OutputAndFailures) {
  EXPECT_EQ(run_program({"printf", "%s", "one two"}, "x", "coreutils"), "one two");
  EXPECT_EQ(run_program({"head", "-c", "300000", "/dev/zero"}, "x", "coreutils").size(), 300'000u);
  EXPECT_THROW(run_program({"false"}, "x", "coreutils"), InputError);
  try {
    run_program({"mom-no-such-program"}, "a.svg", "its-package");
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("a.svg: expected the program mom-no-such-program"),
              std::string::npos);
    EXPECT_NE(std::string(error.what()).find("apt-get install its-package"), std::string::npos);
  }
}

}  // namespace
}  // namespace mom::quickstart
