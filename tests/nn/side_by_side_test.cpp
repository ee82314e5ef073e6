#include "mom/nn/side_by_side.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <stdexcept>

namespace mom::nn {
namespace {

TEST(Workers, EachPieceOnceWithItsThreads) {
  Workers workers(3, 5);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::atomic<int>> calls(10);
    std::atomic<int> wrong{0};
    workers.for_each(
        calls.size(),
        [&](size_t piece, size_t worker) {
          ++calls[piece];
          wrong += worker >= 3 || at::get_num_threads() != 5;
        },
        1, 3);
    for (size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i], i % 3 == 1 ? 1 : 0) << i;
    EXPECT_EQ(wrong, 0);
  }
}

TEST(Workers, AnErrorArrivesAndTheNextRoundRuns) {
  Workers workers(2, 1);
  EXPECT_THROW(workers.for_each(4,
                                [](size_t piece, size_t) {
                                  if (piece == 2) throw std::runtime_error("no");
                                }),
               std::runtime_error);
  std::atomic<int> calls{0};
  workers.for_each(4, [&](size_t, size_t) { ++calls; });
  EXPECT_EQ(calls, 4);
}

TEST(GradientTree, BitsDoNotDependOnTheOrderOfArrival) {
  torch::manual_seed(1);
  std::vector<at::Tensor> g;
  for (int i = 0; i < 5; ++i) g.push_back(torch::randn({1000}));
  const at::Tensor expected = ((g[0] + g[1]) + (g[2] + g[3])) + g[4];
  std::vector<size_t> order(g.size());
  std::iota(order.begin(), order.end(), 0);
  do {
    GradientTree tree(g.size());
    size_t spent = 0;
    for (const size_t piece : order) spent += tree.add(piece, g[piece].clone()).size();
    ASSERT_TRUE(torch::equal(tree.sum(), expected));
    ASSERT_EQ(spent, g.size() - 1);
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace
}  // namespace mom::nn
