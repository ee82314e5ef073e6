#include "mom/quality/frechet.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

namespace mom::quality {
namespace {

at::Tensor f64(std::vector<double> values, std::vector<int64_t> shape) {
  return torch::tensor(values, torch::kFloat64).view(shape);
}

// One feature: (3 - 0)^2 + (4 - 1)^2 of means and standard deviations.
TEST(FrechetDistance, OfOneFeatureIsThatOfMeansAndDeviations) {
  const at::Tensor a = f64({-1, 0, 1}, {3, 1}), b = f64({-1, 3, 7}, {3, 1});
  EXPECT_NEAR(frechet_distance(a, b), 9 + 9, 1e-12);
}

// Two vectors that do not commute: trace((Ca^1/2 Cb Ca^1/2)^1/2) of a 2 x 2 matrix M = Ca Cb is
// sqrt(trace M + 2 sqrt(det M)).
TEST(FrechetDistance, OfCovariancesThatDoNotCommute) {
  torch::manual_seed(3);
  const at::Tensor a = torch::randn({40, 2}, torch::kFloat64).matmul(f64({2, 1, 0, 0.5}, {2, 2}));
  const at::Tensor b = torch::randn({30, 2}, torch::kFloat64).matmul(f64({1, 0, -1.5, 1}, {2, 2})) + 1;
  const auto covariance = [](const at::Tensor& x) { return torch::cov(x.t()); };
  const at::Tensor product = covariance(a).matmul(covariance(b));
  const double cross =
      std::sqrt(product.trace().item<double>() + 2 * std::sqrt(torch::linalg_det(product).item<double>()));
  const double expected = (a.mean(0) - b.mean(0)).square().sum().item<double>() +
                          covariance(a).trace().item<double>() + covariance(b).trace().item<double>() -
                          2 * cross;
  EXPECT_NEAR(frechet_distance(a, b), expected, 1e-10);
  EXPECT_NEAR(frechet_distance(b, a), expected, 1e-10);
  EXPECT_NEAR(frechet_distance(a, a), 0, 1e-10);
}

TEST(FrechetDistance, NeedsTwoVectors) {
  EXPECT_ANY_THROW(
      frechet_distance(torch::zeros({1, 2}, torch::kFloat64), torch::zeros({4, 2}, torch::kFloat64)));
}

TEST(PooledFeatures, TakesTheFinestGridThatFits) {
  const at::Tensor picture = torch::arange(2 * 4 * 4, torch::kFloat32).view({1, 2, 4, 4});
  EXPECT_EQ(pooled_features(picture, 32).size(1), 32);
  EXPECT_EQ(pooled_features(picture, 31).size(1), 8);
  const at::Tensor means = pooled_features(picture, 2);
  EXPECT_TRUE(torch::equal(means, f64({7.5, 23.5}, {1, 2})));
  EXPECT_TRUE(torch::equal(pooled_features(picture, 8)[0].slice(0, 0, 4), f64({2.5, 4.5, 10.5, 12.5}, {4})));
}

TEST(Nearest, FindsIndexAndDistance) {
  const Nearest found = nearest(f64({0, 0, 10, 9}, {2, 2}), f64({3, 4, 10, 10}, {2, 2}));
  EXPECT_TRUE(torch::equal(found.indices_N, torch::tensor({0, 1}, torch::kInt64)));
  EXPECT_TRUE(torch::allclose(found.distances_N, f64({5, 1}, {2})));
}

}  // namespace
}  // namespace mom::quality
