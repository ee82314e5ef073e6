#include "mom/quality/in_pieces.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <stdexcept>

namespace mom::quality {
namespace {

class InPieces : public testing::Test {
 protected:
  InPieces() {
    torch::manual_seed(1);
    weight_ = torch::randn({6, 4, 3, 3}).requires_grad_();
    bias_ = torch::randn({6}).requires_grad_();
    unused_ = torch::randn({2}).requires_grad_();
  }
  ~InPieces() override { at::set_num_threads(1); }

  ItemNetwork network() {
    return [this](const at::Tensor& items) {
      const at::Tensor y = torch::silu(torch::conv2d(items, weight_, bias_, 1, 1));
      return std::vector<at::Tensor>{y, y.flatten(1).square().sum(1)};
    };
  }
  static at::Tensor loss_of(const std::vector<at::Tensor>& outputs) {
    return (outputs[0] * torch::linspace(-1, 1, outputs[0].numel()).view(outputs[0].sizes())).sum() +
           (outputs[1] * torch::arange(1, outputs[1].numel() + 1)).sum();
  }
  // Outputs and gradients of one step.
  std::vector<at::Tensor> step(int threads, const at::Tensor& batch, bool whole) {
    at::set_num_threads(threads);
    std::vector<at::Tensor> outputs =
        whole ? network()(batch) : in_pieces(network(), {weight_, bias_, unused_}, batch);
    std::vector<at::Tensor> leaves = {weight_, bias_, unused_};
    if (batch.requires_grad()) leaves.push_back(batch);
    for (const at::Tensor& grad : torch::autograd::grad({loss_of(outputs)}, leaves, {}, false, false, true))
      outputs.push_back(grad);
    return outputs;
  }

  at::Tensor weight_, bias_, unused_;
};

void expect_close(const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].defined(), expected[i].defined()) << i;
    if (!found[i].defined()) continue;
    ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << i;
    EXPECT_LT((found[i] - expected[i]).abs().max().item<double>(),
              1e-5 * expected[i].abs().max().item<double>())
        << i;
  }
}

TEST_F(InPieces, ValuesAndGradientsOfTheWhole) {
  for (const int64_t items : {1, 2, 3, 8}) {
    for (const bool differentiable : {false, true}) {
      const at::Tensor batch = torch::randn({items, 4, 9, 9}).requires_grad_(differentiable);
      expect_close(step(3, batch, false), step(3, batch, true));
    }
  }
}

TEST_F(InPieces, OneThreadHasTheBitsOfTheWhole) {
  const at::Tensor batch = torch::randn({5, 4, 9, 9}).requires_grad_();
  const std::vector<at::Tensor> found = step(1, batch, false), expected = step(1, batch, true);
  for (size_t i = 0; i < found.size(); ++i) {
    if (expected[i].defined()) {
      EXPECT_TRUE(torch::equal(found[i], expected[i])) << i;
    }
  }
}

TEST_F(InPieces, SameBitsEachTime) {
  const at::Tensor batch = torch::randn({8, 4, 9, 9}).requires_grad_();
  const std::vector<at::Tensor> expected = step(4, batch, false);
  for (int turn = 0; turn < 20; ++turn) {
    const std::vector<at::Tensor> found = step(4, batch, false);
    for (size_t i = 0; i < found.size(); ++i) {
      if (expected[i].defined()) {
        ASSERT_TRUE(torch::equal(found[i], expected[i])) << i;
      }
    }
  }
}

TEST_F(InPieces, OutputsThatNobodyUsesHaveNoGradient) {
  at::set_num_threads(2);
  const at::Tensor batch = torch::randn({4, 4, 9, 9});
  const at::Tensor found = in_pieces(network(), {weight_, bias_}, batch)[1].sum();
  const at::Tensor expected = network()(batch)[1].sum();
  expect_close(torch::autograd::grad({found}, {weight_, bias_}),
               torch::autograd::grad({expected}, {weight_, bias_}));
}

TEST_F(InPieces, WithoutGradientsItIsTheNetwork) {
  at::set_num_threads(2);
  const torch::NoGradGuard no_grad;
  EXPECT_FALSE(in_pieces(network(), {weight_, bias_}, torch::randn({4, 4, 9, 9}))[0].requires_grad());
}

TEST_F(InPieces, ErrorsArrive) {
  at::set_num_threads(2);
  const ItemNetwork failing = [](const at::Tensor&) -> std::vector<at::Tensor> {
    throw std::runtime_error("no");
  };
  EXPECT_THROW(in_pieces(failing, {weight_}, torch::randn({4, 4, 9, 9})), std::runtime_error);
  EXPECT_EQ(at::get_num_threads(), 2);
}

}  // namespace
}  // namespace mom::quality
