#include "mom/generate/part_cache.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace mom {
namespace {

using generate::Feed;
using generate::PartCache;
using generate::PromptPart;

// Long enough to be kept.
PromptPart part(const std::string& name, std::string modality = "text", size_t length = 400) {
  return {std::move(modality), name + std::string(length, 'x'), "somewhere"};
}

Feed tokens(std::vector<int32_t> ids) { return {std::move(ids), {}}; }

TEST(PartCache, AppendsWhatWasKept) {
  PartCache cache(1 << 20);
  Feed feed = tokens({7});
  EXPECT_FALSE(cache.append(part("a"), feed));
  EXPECT_EQ(feed, tokens({7}));
  cache.put(part("a"), tokens({8, 9}));
  EXPECT_TRUE(cache.append(part("a"), feed));
  EXPECT_EQ(feed, tokens({7, 8, 9}));
}

TEST(PartCache, PartsDifferByContentAndModality) {
  PartCache cache(1 << 20);
  Feed image;
  image.append(generate::Picture{torch::ones({2}), 0});
  cache.put(part("a"), tokens({1}));
  cache.put(part("a", "image"), image);
  Feed feed;
  EXPECT_FALSE(cache.append(part("b"), feed));
  EXPECT_FALSE(cache.append(part("a", "speech"), feed));
  EXPECT_TRUE(cache.append(part("a", "image"), feed));
  EXPECT_EQ(feed, image);  // the same tensor
}

TEST(PartCache, DropsTheLeastRecentlyUsed) {
  PartCache cache(2 * 700);
  cache.put(part("1"), tokens({1}));
  cache.put(part("2"), tokens({2}));
  Feed feed;
  EXPECT_TRUE(cache.append(part("1"), feed));
  cache.put(part("3"), tokens({3}));
  EXPECT_FALSE(cache.append(part("2"), feed));
  EXPECT_TRUE(cache.append(part("1"), feed));
  EXPECT_TRUE(cache.append(part("3"), feed));
}

TEST(PartCache, KeepsNeitherWhatIsLargerThanItselfNorWhatIsShort) {
  PartCache cache(2000);
  cache.put(part("a"), tokens({1}));
  cache.put(part("b", "text", 3000), tokens({2}));
  cache.put(part("c", "text", 100), tokens({3}));
  Feed feed;
  EXPECT_FALSE(cache.append(part("b", "text", 3000), feed));
  EXPECT_FALSE(cache.append(part("c", "text", 100), feed));
  EXPECT_TRUE(cache.append(part("a"), feed));
}

}  // namespace
}  // namespace mom
