// A row of a product has the same bits whatever rows are beside it, at any place, with any number of threads.
#include "mom/ops/rowwise.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/ops/gemm.h"

namespace mom::ops {
namespace {

at::Tensor product(const PackedWeights& weights, const at::Tensor& x_MK, const at::Tensor& weight_NK,
                   const at::Tensor& bias_N) {
  const ScopedRowwise rowwise(weights);
  at::Tensor y = torch::full({x_MK.size(0), weight_NK.size(0)}, NAN);
  multiply(x_MK, weight_NK.t(), y, /*accumulate=*/false, bias_N);
  return y;
}

TEST(Rowwise, RowsDoNotKnowOfEachOther) {
  const torch::NoGradGuard no_grad;
  const int threads = at::get_num_threads();
  torch::manual_seed(1);
  for (const bool known : {true, false})  // whether the weight is a parameter
    for (const int64_t K : {1, 2, 12, 24, 33, 192, 384, 768})
      for (const int64_t N : {1, 7, 44, 192, 384, 1100}) {
        const at::Tensor wide = torch::randn({150, K + 5}), weight = torch::randn({N, K}),
                         bias = N % 2 == 0 ? torch::randn({N}) : at::Tensor();
        const at::Tensor x = wide.narrow(1, 0, K);  // rows apart
        const PackedWeights way(known ? std::vector<at::Tensor>{weight} : std::vector<at::Tensor>{});
        at::set_num_threads(1);
        const at::Tensor all = product(way, x, weight, bias);
        const std::string where =
            "K " + std::to_string(K) + ", N " + std::to_string(N) + (known ? "" : ", unknown");
        at::Tensor expected = torch::mm(x.to(torch::kFloat64), weight.to(torch::kFloat64).t());
        if (bias.defined()) expected = expected + bias;
        EXPECT_LE((all - expected).abs().max().item<double>(), 1e-5 * std::sqrt(static_cast<double>(K)) * 4)
            << where;
        at::set_num_threads(3);
        EXPECT_TRUE(torch::equal(product(way, x, weight, bias), all)) << where;
        for (const auto& [first, count] :
             {std::pair<int64_t, int64_t>{0, 1}, {5, 1}, {63, 2}, {1, 64}, {17, 100}, {149, 1}, {90, 60}})
          EXPECT_TRUE(torch::equal(product(way, x.narrow(0, first, count), weight, bias),
                                   all.narrow(0, first, count)))
              << where << ", rows " << first << " to " << first + count;
      }
  at::set_num_threads(threads);
}

TEST(Rowwise, ItemsAreComputedAlone) {
  const torch::NoGradGuard no_grad;
  const at::Tensor x = torch::randn({5 * 3, 7});
  const auto silu = [](const at::Tensor& rows) { return torch::silu(rows); };
  const PackedWeights none({});
  const ScopedRowwise rowwise(none);
  const at::Tensor all = each_item(x, 5, silu);
  for (int64_t i = 0; i < 5; ++i)
    EXPECT_TRUE(torch::equal(each_item(x.narrow(0, 3 * i, 3), 1, silu), all.narrow(0, 3 * i, 3)));
}

// The parts of a parameter are packed once each, and other tensors for whoever asks.
TEST(PackedWeights, KeepsThePartsOfParameters) {
  const at::Tensor parameter = torch::randn({3, 20, 5});
  const PackedWeights weights({parameter, torch::randn({7})});
  for (int64_t i = 0; i < 3; ++i) {
    const at::Tensor panels = weights.panels(parameter[i]);
    EXPECT_TRUE(weights.panels(parameter[i]).is_same(panels));
    EXPECT_EQ(panels.numel(), 32 * 5);
    EXPECT_EQ(panels[16 * 5 + 2 * 16 + 3].item<float>(), parameter[i][19][2].item<float>());
  }
  EXPECT_FALSE(weights.panels(parameter[0].narrow(0, 0, 8)).is_same(weights.panels(parameter[0])));
  const at::Tensor other = torch::randn({4, 5});
  EXPECT_FALSE(weights.panels(other).is_same(weights.panels(other)));
  EXPECT_TRUE(torch::equal(weights.panels(parameter[1].t()), weights.panels(parameter[1].t().contiguous())));
}

}  // namespace
}  // namespace mom::ops
