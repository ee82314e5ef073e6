#include "mom/train/self_check.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <limits>
#include <optional>

#include "mom/ops/backend.h"
#include "mom/ops/gemm.h"
#include "mom/ops/selective_scan.h"
#include "mom/ops/selective_scan_reference.h"
#include "mom/train/optimizer.h"

namespace mom::train {
namespace {

constexpr double kF32 = 1e-10;           // as ops::check_close
constexpr double kBf16Gradients = 2e-2;  // relative errors of 2^-8 or so, over two blocks

double nmse(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor exact = expected.to(at::kDouble);
  return ((found.to(at::kDouble) - exact).square().sum() / exact.square().sum()).item<double>();
}

double product() {
  const int64_t M = 67, K = 129, N = 65;
  const at::Tensor left_MK = at::randn({M, K}), right_KN = at::randn({K, N}), out_MN = at::zeros({M, N}),
                   plain_MN = at::zeros({M, N}, at::kDouble);
  ops::multiply(left_MK, right_KN, out_MN);
  const auto left = left_MK.accessor<float, 2>(), right = right_KN.accessor<float, 2>();
  auto plain = plain_MN.accessor<double, 2>();
  for (int64_t m = 0; m < M; ++m)
    for (int64_t k = 0; k < K; ++k)
      for (int64_t n = 0; n < N; ++n) plain[m][n] += double{left[m][k]} * double{right[k][n]};
  return nmse(out_MN, plain_MN);
}

// The output and all gradients of one scan, as one vector.
at::Tensor scan_and_gradients(decltype(&ops::selective_scan) scan, std::vector<at::Tensor> inputs,
                              at::ScalarType type) {
  for (at::Tensor& input : inputs) input = input.detach().to(type).requires_grad_();
  const auto [y_TD, state_SDN] =
      scan(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5], inputs[6], inputs[7],
           /*dt_softplus=*/true, std::nullopt, std::nullopt, std::nullopt);
  (y_TD.square().sum() + state_SDN.sum()).backward();
  std::vector<at::Tensor> all = {y_TD.detach().flatten()};
  for (const at::Tensor& input : inputs) all.push_back(input.grad().flatten());
  return at::cat(all);
}

double scan() {
  const int64_t T = 150, D = 37, N = 16;
  const std::vector<at::Tensor> inputs = {at::randn({T, D}), at::randn({T, D}), -at::rand({D, N}) - 0.1,
                                          at::randn({T, N}), at::randn({T, N}), at::randn({D}),
                                          at::randn({T, D}), at::randn({D})};
  const ops::ScopedBackend kernels(ops::Backend::kCpu);
  return nmse(scan_and_gradients(&ops::selective_scan, inputs, at::kFloat),
              scan_and_gradients(&ops::selective_scan_reference, inputs, at::kDouble));
}

// One training step of a small language model.
class Step {
 public:
  Step(at::ScalarType type, ops::Backend backend)
      : backend_(backend), model_(initialised()), parameters_(model_), optimizer_(parameters_, {}) {
    parameters_.collect_gradients(*model_, gradient_);
    model_->set_compute({type, /*recompute=*/false});
  }
  double loss() { return forward().item<double>(); }
  at::Tensor gradients() {
    gradient_.zero_();
    forward().backward();
    return gradient_;
  }
  void update() { optimizer_.step(gradient_, /*learning_rate=*/1e-3, gradient_.norm().item<double>()); }

 private:
  static models::ModelSpec spec() {
    models::ModelSpec spec;
    spec.backbone = "mamba";
    spec.d_model = 64;
    spec.num_blocks = 2;
    spec.vocab_size = 97;
    return spec.resolved();
  }
  static models::Model initialised() {
    models::Model model(spec());
    models::initialise(*model, 1);
    return model;
  }
  at::Tensor forward() {
    const ops::ScopedBackend scoped(backend_);
    constexpr int64_t kTokens = 96;
    const at::Tensor position_T = at::arange(kTokens, at::kLong);
    models::ModelInput input;
    input.routing =
        nn::make_routing(at::zeros({kTokens}, at::kLong), at::tensor({int64_t{0}, kTokens}, at::kLong), 1);
    input.tokens_T = position_T * position_T % spec().vocab_size;
    input.training = true;
    return model_
        ->next_token_loss(model_->forward(input), position_T.slice(0, 0, kTokens - 1),
                          input.tokens_T.slice(0, 1), 1.0 / (kTokens - 1))
        .loss;
  }
  ops::Backend backend_;
  models::Model model_;
  FlatParameters parameters_;
  at::Tensor gradient_ = parameters_.zeros();
  AdamW optimizer_;
};

double bfloat16_step() {
  Step exact(at::kFloat, ops::Backend::kReference), rounded(at::kBFloat16, ops::Backend::kCpu);
  const double before = rounded.loss(), difference = nmse(rounded.gradients(), exact.gradients());
  rounded.update();
  return rounded.loss() < before ? difference : std::numeric_limits<double>::infinity();
}

SelfCheck checked(const std::string& name, double allowed, double (*compute)()) {
  SelfCheck check{name, 0, allowed};
  try {
    at::manual_seed(1);
    check.difference = compute();
  } catch (const std::exception& error) {
    const std::string text = error.what();
    check.error = text.substr(0, text.find('\n'));
  }
  return check;
}

}  // namespace

std::vector<SelfCheck> self_checks() {
  return {checked("float32 product", kF32, product), checked("selective scan", kF32, scan),
          checked("bfloat16 step", kBf16Gradients, bfloat16_step)};
}

}  // namespace mom::train
