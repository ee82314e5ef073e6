// Stop strings.
#include "mom/generate/composer.h"

#include <gtest/gtest.h>

namespace mom::generate {
namespace {

std::string streamed(const std::vector<std::string>& stops, const std::string& text,
                     bool* stopped = nullptr) {
  StopText stop(stops);
  std::string shown;
  for (const char c : text) shown += stop.push(std::string(1, c));
  shown += stop.finish();
  if (stopped) *stopped = stop.stopped();
  return shown;
}

TEST(StopText, EndsBeforeTheFirstOfThem) {
  bool stopped = false;
  EXPECT_EQ(streamed({}, "abc", &stopped), "abc");
  EXPECT_FALSE(stopped);
  EXPECT_EQ(streamed({"xyz"}, "abcxyxyz!", &stopped), "abcxy");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(streamed({"aab"}, "aaab", &stopped), "a");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(streamed({"long one", "c"}, "abc", &stopped), "ab");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(streamed({"xyz"}, "abxy", &stopped), "abxy");  // held back, and not the beginning after all
  EXPECT_FALSE(stopped);
  StopText at_once({"b", "abc"});
  EXPECT_EQ(at_once.push("xabc"), "x");
}

}  // namespace
}  // namespace mom::generate
