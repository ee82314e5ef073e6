// The f64 references of the CUDA kernels' tests agree with the CPU's kernels, which tests/ops compares with autograd.
#include "tests/kernels/cuda/conv_case.h"
#include "tests/kernels/cuda/scan_case.h"

namespace mom::kernels::cuda::test {
namespace {

void expect_agreement(const Results& results, const Results& expected) {
  ASSERT_EQ(results.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_LE(nmse(results[i].values, expected[i].values), kF32Nmse) << expected[i].name;
}

TEST(CudaReference, SelectiveScan) {
  for (const bool softplus : {true, false}) {
    const ScanCase c{.T = 70,
                     .D = 20,
                     .N = 5,
                     .offsets = {0, 30, 30, 70},
                     .softplus = softplus,
                     .order = true,
                     .dt_low = 0.01};
    ScanData data(c);
    const ScanInputs in = data.inputs();
    ScanResults to(data, kernels::scan_chunk_state_size(in));
    kernels::selective_scan_forward(in, to.outputs(), kernels::serial_for);
    kernels::selective_scan_backward(in, to.gradients(data), kernels::serial_for);
    expect_agreement(to.results(c), scan_reference(data));
  }
}

TEST(CudaReference, CausalConv1d) {
  for (const bool silu : {true, false}) {
    const ConvCase c{.T = 70, .D = 20, .offsets = {0, 1, 1, 30, 70}, .silu = silu, .order = true};
    ConvData data(c);
    ConvResults to(data);
    kernels::causal_conv1d_forward(data.inputs(), to.y.mutable_rows(), to.final_state.floats(),
                                   kernels::serial_for);
    kernels::causal_conv1d_backward(data.inputs(), to.gradients(data), kernels::serial_for);
    expect_agreement(to.results(c), conv_reference(data));
  }
}

}  // namespace
}  // namespace mom::kernels::cuda::test
