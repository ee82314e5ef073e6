#include "mom/quality/kid.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

namespace mom::quality {
namespace {

at::Tensor f64(std::vector<double> values, std::vector<int64_t> shape) {
  return torch::tensor(values, torch::kFloat64).view(shape);
}

// Kernels (xy + 1)^3 by hand: 1 of x's pair, 27 of y's, and 27, 8, 1, 1 between the sets.
TEST(SquaredMmd, LeavesOutEachVectorWithItself) {
  EXPECT_DOUBLE_EQ(squared_mmd(f64({1, 0}, {2, 1}), f64({2, 1}, {2, 1})), 1 + 27 - 2 * 37.0 / 4);
}

TEST(SquaredMmd, NeedsTwoVectors) { EXPECT_ANY_THROW(squared_mmd(f64({1}, {1, 1}), f64({2, 1}, {2, 1}))); }

// Sets of one distribution, of any sizes: 0 on average. A biased estimate of 10 vectors would be about 0.8.
TEST(SquaredMmd, IsZeroOnAverageOfOneDistribution) {
  torch::manual_seed(1);
  double sum = 0;
  constexpr int kTimes = 400;
  for (int i = 0; i < kTimes; ++i)
    sum += squared_mmd(torch::randn({10, 16}, torch::kFloat64), torch::randn({14, 16}, torch::kFloat64));
  EXPECT_NEAR(sum / kTimes, 0, 0.03);
}

TEST(KernelDistance, SeesADifferenceAndNoneWhereThereIsNone) {
  torch::manual_seed(2);
  const at::Tensor all = torch::randn({400, 16}, torch::kFloat64);
  const auto halves = all.split(200);
  const Kid same = kernel_distance(halves[0], halves[1], 1);
  EXPECT_LT(std::abs(same.mean), 4 * same.standard_error);
  for (const at::Tensor& other : {halves[1] + 0.5, halves[1] * 0.5}) {
    const Kid different = kernel_distance(halves[0], other, 1);
    EXPECT_GT(different.mean, std::abs(same.mean) + 6 * different.standard_error);
  }
  EXPECT_EQ(same.to_json(), kernel_distance(halves[0], halves[1], 1).to_json());
}

// The error that is stated is that of other draws of the same distributions, within a factor of two.
TEST(KernelDistance, StatesItsError) {
  torch::manual_seed(3);
  std::vector<double> means, errors;
  for (int i = 0; i < 30; ++i) {
    const Kid kid = kernel_distance(torch::randn({120, 8}, torch::kFloat64) + 0.3,
                                    torch::randn({120, 8}, torch::kFloat64), 1);
    means.push_back(kid.mean);
    errors.push_back(kid.standard_error);
  }
  const double spread = torch::tensor(means, torch::kFloat64).std().item<double>();
  const double stated = torch::tensor(errors, torch::kFloat64).mean().item<double>();
  EXPECT_GT(stated, spread / 2);
  EXPECT_LT(stated, spread * 2);
}

}  // namespace
}  // namespace mom::quality
