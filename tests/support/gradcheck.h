// Gradients by central differences, in f64: what the references are tested against.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace mom::test {

using TensorFunction = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

// Weights an op's outputs into one number with fixed random weights, so that every output's gradient counts.
// `offset` 3 makes nearly all weights positive: a gradient that sums terms of both signs may cancel to almost
// nothing, and its relative error then says nothing about the op (docs/numerics.md).
inline at::Tensor weighted_sum(const std::vector<at::Tensor>& outputs, double offset = 0) {
  at::manual_seed(11);
  at::Tensor total = at::zeros({}, outputs[0].options());
  for (const at::Tensor& output : outputs)
    total = total + (output * (at::randn(output.sizes(), output.options()) + offset)).sum();
  return total;
}

// Sum of squared differences over sum of squares of what is expected; 0 where both are all zero.
inline double nmse(const at::Tensor& got, const at::Tensor& expected) {
  const double error = (got.to(at::kDouble) - expected.to(at::kDouble)).square().sum().item<double>();
  const double size = expected.to(at::kDouble).square().sum().item<double>();
  return error == 0 ? 0 : error / size;
}

// Every input is f64; undefined ones are skipped. Each analytic gradient entry must agree with the central
// difference to 1e-6 relative to the largest entry: the truncation error of the step 1e-5 plus rounding is
// about 1e-9.
inline void expect_gradients(const TensorFunction& f, const std::vector<at::Tensor>& inputs) {
  constexpr double kStep = 1e-5, kTolerance = 1e-6;
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& input : inputs) {
    leaves.push_back(input.defined() ? input.detach().clone().set_requires_grad(true) : input);
  }
  weighted_sum(f(leaves)).backward();
  at::NoGradGuard no_grad;
  for (size_t k = 0; k < leaves.size(); ++k) {
    if (!leaves[k].defined()) continue;
    ASSERT_TRUE(leaves[k].grad().defined()) << "input " << k << " has no gradient";
    const at::Tensor analytic = leaves[k].grad().contiguous().flatten();
    at::Tensor values = leaves[k].detach().view(-1), numeric = at::zeros_like(analytic);
    for (int64_t i = 0; i < values.numel(); ++i) {
      const double value = values[i].item<double>();
      values[i] = value + kStep;
      const double above = weighted_sum(f(leaves)).item<double>();
      values[i] = value - kStep;
      const double below = weighted_sum(f(leaves)).item<double>();
      values[i] = value;
      numeric[i] = (above - below) / (2 * kStep);
    }
    const double scale = std::max(1.0, numeric.numel() ? numeric.abs().max().item<double>() : 0.0);
    const double error = numeric.numel() ? (numeric - analytic).abs().max().item<double>() : 0.0;
    EXPECT_LE(error, kTolerance * scale) << "gradient of input " << k;
  }
}

// Values and all gradients of `op` on f32 inputs against `reference` on the same inputs in f64.
inline void expect_same(const TensorFunction& op, const TensorFunction& reference,
                        const std::vector<at::Tensor>& inputs, double limit, const std::string& what,
                        double offset = 0) {
  auto leaves_of = [&](bool in_f64) {
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& input : inputs) {
      at::Tensor leaf = !input.defined() ? input : in_f64 ? input.detach().to(at::kDouble) : input.detach();
      if (leaf.defined()) leaf.set_requires_grad(true);
      leaves.push_back(leaf);
    }
    return leaves;
  };
  const auto leaves = leaves_of(false), leaves_f64 = leaves_of(true);
  const auto got = op(leaves), expected = reference(leaves_f64);
  std::vector<at::Tensor> got_f64;
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].sizes(), expected[i].sizes()) << what << ": output " << i;
    EXPECT_LE(nmse(got[i], expected[i]), limit) << what << ": output " << i;
    got_f64.push_back(got[i].to(at::kDouble));
  }
  weighted_sum(got_f64, offset).backward();
  weighted_sum(expected, offset).backward();
  for (size_t k = 0; k < leaves.size(); ++k) {
    if (!leaves[k].defined()) continue;
    ASSERT_TRUE(leaves[k].grad().defined()) << what << ": input " << k << " has no gradient";
    const at::Tensor& wanted = leaves_f64[k].grad();  // undefined where no output depends on the input
    EXPECT_LE(nmse(leaves[k].grad(), wanted.defined() ? wanted : at::zeros_like(leaves_f64[k])), limit)
        << what << ": gradient of input " << k;
  }
}

// Values and gradients of `op` have the same bits with one thread and with two.
inline void expect_same_bits_for_any_threads(const TensorFunction& op,
                                             const std::vector<at::Tensor>& inputs) {
  const int threads = at::get_num_threads();
  auto run = [&](int count) {
    at::set_num_threads(count);
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& input : inputs) leaves.push_back(input.detach().clone().set_requires_grad(true));
    std::vector<at::Tensor> results = op(leaves);
    weighted_sum(results).backward();
    for (const at::Tensor& leaf : leaves) results.push_back(leaf.grad());
    return results;
  };
  const auto one = run(1), two = run(2);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], two[i])) << i;
}

constexpr double kF32Nmse = 1e-10;  // a relative error of 1e-5, about 100 roundings in f32
constexpr double kBf16Nmse = 1e-4;  // outputs are rounded to 8 bits: 2^-9 relative, squared 4e-6

}  // namespace mom::test
