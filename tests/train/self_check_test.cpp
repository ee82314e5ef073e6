#include "mom/train/self_check.h"

#include <gtest/gtest.h>

#include <limits>

namespace mom::train {
namespace {

TEST(SelfCheck, ThisMachineComputesRightly) {
  const std::vector<SelfCheck> checks = self_checks();
  ASSERT_EQ(checks.size(), 3u);
  for (const SelfCheck& check : checks) {
    EXPECT_TRUE(check.ok()) << check.name << ": " << check.difference << " " << check.error;
    EXPECT_GT(check.difference, 0) << check.name;  // two computations, and not one beside itself
  }
}

TEST(SelfCheck, WhatIsWrongIsNotOk) {
  EXPECT_FALSE((SelfCheck{"x", 2, 1}.ok()));
  EXPECT_FALSE((SelfCheck{"x", std::numeric_limits<double>::quiet_NaN(), 1}.ok()));
  EXPECT_FALSE((SelfCheck{"x", 0, 1, "threw"}.ok()));
}

}  // namespace
}  // namespace mom::train
