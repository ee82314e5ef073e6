#include "mom/base/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mom {
namespace {

TEST(StopSignals, TheFirstIsRememberedAndTheSecondEndsTheProcess) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const pid_t child = ::fork();
    if (child == 0) {
      const StopSignals signals;
      if (StopSignals::received() != 0) ::_exit(1);
      ::raise(signal);
      if (StopSignals::received() != signal) ::_exit(2);
      ::raise(signal);
      ::_exit(3);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_FALSE(WIFEXITED(status)) << WEXITSTATUS(status);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), signal);
  }
}

TEST(StopSignals, WhatHeldBeforeHoldsAgain) {
  struct sigaction own = {}, after = {}, before = {};
  own.sa_handler = SIG_IGN;
  ::sigaction(SIGTERM, &own, &before);
  { const StopSignals signals; }
  ::sigaction(SIGTERM, &before, &after);
  EXPECT_EQ(after.sa_handler, SIG_IGN);
}

}  // namespace
}  // namespace mom
