#include "mom/dist/shard_plan.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace mom::dist {
namespace {

// Everything the header says, for one plan.
void check(const ShardPlan& plan) {
  const int n = plan.processes();
  std::vector<int> owner(static_cast<size_t>(plan.padded()), -1);
  int64_t end = 0;
  for (int64_t b = 0; b < plan.num_buckets(); ++b) {
    EXPECT_EQ(plan.bucket_begin(b), end);  // they follow one another
    EXPECT_GT(plan.bucket_size(b), 0);
    end += plan.bucket_size(b);
    EXPECT_EQ(plan.part_size(b) * n, plan.bucket_size(b));
    EXPECT_EQ(plan.part_size(b) % plan.chunk(), 0);
    for (int r = 0; r < n; ++r)
      for (int64_t i = 0; i < plan.part_size(b); ++i) {
        const int64_t element = plan.part_begin(b, r) + i;
        ASSERT_LT(element, plan.padded());
        EXPECT_EQ(plan.bucket_of(element), b);
        EXPECT_EQ(owner[static_cast<size_t>(element)], -1);  // once
        owner[static_cast<size_t>(element)] = r;
      }
  }
  EXPECT_EQ(end, plan.padded());
  for (int64_t element = 0; element < plan.padded(); ++element)
    EXPECT_EQ(owner[static_cast<size_t>(element)], plan.owner_of_chunk(element / plan.chunk()));
  EXPECT_EQ(plan.shard_size() * n, plan.padded());
  EXPECT_EQ(plan.num_chunks() * plan.chunk(), plan.padded());
  // Padding is less than one chunk for every process, beside what a space smaller than that takes.
  EXPECT_GE(plan.padded(), plan.elements());
  EXPECT_LT(plan.padded() - plan.elements(), (plan.elements() == 0 ? 2 : 1) * n * plan.chunk());
}

TEST(ShardPlan, coversEverySpaceOnce) {
  for (int64_t chunk : {1, 2, 3})
    for (int processes = 1; processes <= 7; ++processes)
      for (int64_t bucket : {1, 2, 5, 6, 12, 100})
        for (int64_t elements = 0; elements <= 40; ++elements) {
          SCOPED_TRACE(testing::Message() << elements << " elements, " << processes
                                          << " processes, buckets of " << bucket << ", chunks of " << chunk);
          check(ShardPlan(elements, processes, bucket, chunk));
          for (int64_t until : {1, 9, 30}) check(ShardPlan(elements, processes, bucket, chunk, {3, until}));
          if (HasFailure()) return;
        }
}

TEST(ShardPlan, theExampleOfTheHeader) {
  const ShardPlan plan(5 * 16384, 2, 2 * 16384);
  EXPECT_EQ(plan.num_buckets(), 3);
  EXPECT_EQ(plan.padded(), 6 * 16384);
  std::vector<int> owners;
  for (int64_t c = 0; c < plan.num_chunks(); ++c) owners.push_back(plan.owner_of_chunk(c));
  EXPECT_EQ(owners, (std::vector<int>{0, 1, 0, 1, 0, 1}));
}

TEST(ShardPlan, bucketsOfTheStandardSize) {
  const ShardPlan plan(163'000'000, 4);
  EXPECT_EQ(plan.num_buckets(), 20);
  for (int64_t b = 0; b + 1 < plan.num_buckets(); ++b) EXPECT_EQ(plan.bucket_size(b), ShardPlan::kBucket);
  // Three processes do not divide 512 chunks: 510.
  EXPECT_EQ(ShardPlan(163'000'000, 3).bucket_size(0), 510 * ShardPlan::kChunk);
}

TEST(ShardPlan, smallBucketsAtTheBegin) {
  const ShardPlan plan(40, 2, 10, 1, {4, 9});
  std::vector<int64_t> sizes;
  for (int64_t b = 0; b < plan.num_buckets(); ++b) sizes.push_back(plan.bucket_size(b));
  EXPECT_EQ(sizes, (std::vector<int64_t>{4, 4, 4, 10, 10, 8}));
}

TEST(ShardPlan, refusesNonsense) {
  EXPECT_THROW(ShardPlan(-1, 1), std::invalid_argument);
  EXPECT_THROW(ShardPlan(1, 0), std::invalid_argument);
  EXPECT_THROW(ShardPlan(1, 1, 0), std::invalid_argument);
  EXPECT_THROW(ShardPlan(1, 1, 1, 1, {0, 1}), std::invalid_argument);
}

}  // namespace
}  // namespace mom::dist
