#include "mom/codecs/fit.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <atomic>
#include <cmath>
#include <stdexcept>

#include "mom/base/error.h"

namespace mom::codecs {
namespace {

// A small network whose loss is a mean over items, like a codec's.
class Fit : public testing::Test {
 protected:
  ~Fit() override { at::set_num_threads(1); }

  using Weights = std::vector<at::Tensor>;
  static Weights fitted(int64_t pieces, int threads, int64_t num_items) {
    at::set_num_threads(threads);
    torch::manual_seed(1);
    const at::Tensor images = torch::rand({num_items, 3, 12, 12});
    at::Tensor in = torch::randn({8, 3, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
    at::Tensor bias = torch::zeros({8}).requires_grad_(), out = torch::randn({3, 8, 3, 3}).requires_grad_();
    at::Tensor unused = torch::ones({5}).requires_grad_();
    std::atomic<int64_t> items{0};
    int64_t finished = 0;
    fit(
        {"test", "table", 12, 1e-2, pieces}, {in, bias, unused, out},
        [&](int64_t) {
          items = 0;
          return Step{num_items,
                      [&](const Piece& piece) {
                        const at::Tensor x = piece.of(images);
                        const at::Tensor y =
                            torch::conv2d(torch::silu(torch::conv2d(x, in, bias, 1, 1)), out, {}, 1, 1);
                        const at::Tensor mse = (y - x).square().mean();
                        items += piece.end - piece.begin;
                        return PieceLoss{mse, mse.item<double>()};
                      },
                      [&] { finished += items == num_items; }};
        },
        [](double) { return std::string(); });
    EXPECT_EQ(finished, 12);
    EXPECT_TRUE(torch::equal(unused, torch::ones({5})));
    EXPECT_FALSE(torch::equal(bias, torch::zeros({8})));
    return {in.detach().clone(), bias.detach().clone(), out.detach().clone()};
  }
};

TEST_F(Fit, PiecesAddUpToTheWhole) {
  for (const int64_t items : {1, 7, 8}) {  // 7: pieces of unequal size
    const Weights whole = fitted(1, 1, items);
    for (const int64_t pieces : {2, 3, 4}) {
      const Weights found = fitted(pieces, 1, items);
      for (size_t i = 0; i < whole.size(); ++i)
        EXPECT_LT((found[i] - whole[i]).abs().max().item<double>(), 2e-4) << items << " " << pieces;
    }
  }
}

TEST_F(Fit, SameBitsWithAnyNumberOfThreadsBelowTwiceThePieces) {
  const Weights one = fitted(2, 1, 7);
  for (const int threads : {2, 3}) {
    const Weights found = fitted(2, threads, 7);
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(found[i], one[i])) << threads;
  }
}

TEST_F(Fit, ErrorsArriveAndThreadsAreAsBefore) {
  at::set_num_threads(2);
  const at::Tensor weight = torch::ones({2}).requires_grad_();
  const auto run = [&](const std::function<PieceLoss(const Piece&)>& loss_of) {
    fit(
        {"test", "table", 2, 1e-2, 2}, {weight},
        [&](int64_t) {
          return Step{4, loss_of};
        },
        [](double) { return std::string(); });
  };
  EXPECT_THROW(run([](const Piece& piece) -> PieceLoss {
                 if (piece.begin == 2) throw std::runtime_error("no");
                 throw std::runtime_error("neither");
               }),
               std::runtime_error);
  EXPECT_THROW(run([&](const Piece& piece) {
                 return PieceLoss{weight.sum(), piece.index == 1 ? NAN : 0.0};
               }),
               DivergedError);
  EXPECT_EQ(at::get_num_threads(), 2);
}

}  // namespace
}  // namespace mom::codecs
