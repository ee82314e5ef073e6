// The causal convolution's CUDA kernels in the emulator against the f64 reference, on the shapes of tests/ops.
#include "mom/kernels/cuda/causal_conv1d.h"

#include "tests/kernels/cuda/conv_case.h"

namespace mom::kernels::cuda::test {
namespace {

Results run_conv(ConvData& data) {
  const ConvInputs in = data.inputs();
  ConvResults to(data);
  RowBuffer workspace(1, conv_backward_workspace_size(in));
  causal_conv1d_forward(in, to.y.mutable_rows(), to.final_state.floats(), nullptr);
  causal_conv1d_backward(in, to.gradients(data), workspace.floats(), nullptr);
  machine_finish();
  return to.results(data.c);
}

void check_conv(const ConvCase& c, const std::string& what) {
  ConvData data(c);
  const double limit = c.type == Element::kF32 ? kF32Nmse : kBf16Nmse;
  expect_results([&] { return run_conv(data); }, conv_reference(data), limit, what);
}

TEST(CudaCausalConv1d, SizesThatHurt) {
  for (int64_t T : {0, 1, 3, 17, 300}) {
    for (int64_t D : {1, 15, 130}) {
      for (int64_t K : {1, 2, 4, 8}) {
        check_conv({.T = T, .D = D, .K = K},
                   "T " + std::to_string(T) + " D " + std::to_string(D) + " K " + std::to_string(K));
      }
    }
  }
}

TEST(CudaCausalConv1d, SequencesShorterThanTheTaps) {
  const std::vector<int64_t> offsets{0, 0, 1, 2, 2, 35, 38, 40, 40};
  check_conv({.T = 40, .offsets = offsets}, "offsets");
  check_conv({.T = 40, .K = 7, .offsets = offsets}, "offsets, 7 taps");
  check_conv({.T = 40, .offsets = offsets, .initial = false}, "offsets, no initial state");
  check_conv({.T = 0, .offsets = {0, 0, 0}}, "only empty sequences");
  check_conv({.T = 0, .offsets = {0}, .initial = false}, "no sequences");
  check_conv({.T = 300, .offsets = {0, 127, 128, 256, 300}}, "borders of runs");
  check_conv({.T = 130, .K = 8}, "a run's taps beyond its end");
}

TEST(CudaCausalConv1d, ArgumentsPresentAndAbsent) {
  for (int bits = 0; bits < 64; ++bits) {
    auto on = [&](int i) { return ((bits >> i) & 1) != 0; };
    check_conv({.T = 35,
                .D = 18,
                .bias = on(0),
                .silu = on(1),
                .initial = on(2),
                .order = on(3),
                .strided = on(4),
                .final_gradient = on(5)},
               "case " + std::to_string(bits));
  }
}

// What is not a number reaches the outputs under whose taps it is, and no others; fewer taps than the kernel has are no taps.
TEST(CudaCausalConv1d, NanReachesNoFurtherThanTheTaps) {
  for (const int64_t K : {3, 4}) {
    ConvData data({.T = 40, .D = 2, .K = K});
    data.x.set(2 * 20, NAN);   // position 20, channel 0
    data.dy.set(2 * 30, NAN);  // the gradient at position 30
    const Results results = run_conv(data);
    for (int64_t t = 0; t < 40; ++t) {
      const bool near = t >= 20 && t<20 + K, by_gradient = t> 30 - K && t <= 30;
      EXPECT_EQ(std::isnan(results[0].values[static_cast<size_t>(2 * t)]), near) << "y at " << t;
      const bool reached = by_gradient || (t > 20 - K && t < 20 + K);
      EXPECT_EQ(std::isnan(results[2].values[static_cast<size_t>(2 * t)]), reached) << "dx at " << t;
    }
  }
}

TEST(CudaCausalConv1d, Bfloat16) {
  check_conv({.T = 70, .D = 20, .order = true, .strided = true, .type = Element::kBF16}, "bf16");
}

}  // namespace
}  // namespace mom::kernels::cuda::test
