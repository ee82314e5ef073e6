#include "mom/dist/tree_sum.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace mom::dist {
namespace {

// Numbers of sizes that make the order of their sum visible.
at::Tensor leaves(int64_t count) {
  const at::Tensor rows = at::empty({count, 37});
  float* at = rows.data_ptr<float>();
  for (int64_t i = 0; i < rows.numel(); ++i)
    at[i] = static_cast<float>(std::sin(1.0 + static_cast<double>(i)) *
                               std::pow(10.0, static_cast<double>(i % 7)));
  return rows;
}

// As the header says it, in other words: a list that is halved.
at::Tensor plain(at::Tensor rows) {
  std::vector<at::Tensor> level = rows.clone().unbind(0);
  while (level.size() > 1) {
    std::vector<at::Tensor> next;
    for (size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(level[i] + level[i + 1]);
    if (level.size() % 2 == 1) next.push_back(level.back());
    level = next;
  }
  return level[0];
}

TEST(TreeSum, addsLevelByLevel) {
  for (int64_t n = 1; n <= 33; ++n) {
    const at::Tensor rows = leaves(n), expected = plain(rows);
    tree_sum_rows_(rows);
    EXPECT_TRUE(rows[0].equal(expected)) << n;
  }
}

TEST(TreeSum, ofAlignedBlocksIsTheSame) {
  for (int64_t n = 1; n <= 33; ++n)
    for (int64_t block = 1; block <= 64; block *= 2) {
      const at::Tensor rows = leaves(n), expected = plain(rows);
      std::vector<at::Tensor> sums;
      for (int64_t begin = 0; begin < n; begin += block) {
        const at::Tensor inside = rows.narrow(0, begin, std::min(block, n - begin));
        tree_sum_rows_(inside);
        sums.push_back(inside[0]);
      }
      tree_sum_(sums);
      EXPECT_TRUE(rows[0].equal(expected)) << n << " in blocks of " << block;
    }
}

// Otherwise the two tests above would show nothing.
TEST(TreeSum, otherOrdersHaveOtherBits) {
  const at::Tensor rows = leaves(8);
  at::Tensor in_a_row = rows[0].clone();
  for (int64_t i = 1; i < 8; ++i) in_a_row += rows[i];
  EXPECT_FALSE(in_a_row.equal(plain(rows)));
}

TEST(TreeSum, refusesWhatCannotBeAdded) {
  EXPECT_THROW(tree_sum_({}), c10::Error);
  EXPECT_THROW(tree_sum_({at::zeros({2}), at::zeros({3})}), c10::Error);
}

}  // namespace
}  // namespace mom::dist
