#include "mom/generate/part_cache.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace mom {
namespace {

using generate::Feed;
using generate::PartCache;
using generate::PromptPart;

PromptPart part(std::string content, std::string modality = "text") {
  return {std::move(modality), std::move(content), "somewhere"};
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
  const std::string long_text(600, 'a');
  PartCache cache(2 * 1000);
  cache.put(part(long_text + "1"), tokens({1}));
  cache.put(part(long_text + "2"), tokens({2}));
  Feed feed;
  EXPECT_TRUE(cache.append(part(long_text + "1"), feed));
  cache.put(part(long_text + "3"), tokens({3}));
  EXPECT_FALSE(cache.append(part(long_text + "2"), feed));
  EXPECT_TRUE(cache.append(part(long_text + "1"), feed));
  EXPECT_TRUE(cache.append(part(long_text + "3"), feed));
}

TEST(PartCache, KeepsNothingLargerThanItself) {
  PartCache cache(2000);
  cache.put(part("a"), tokens({1}));
  cache.put(part(std::string(3000, 'b')), tokens({2}));
  Feed feed;
  EXPECT_FALSE(cache.append(part(std::string(3000, 'b')), feed));
  EXPECT_TRUE(cache.append(part("a"), feed));
}

}  // namespace
}  // namespace mom
