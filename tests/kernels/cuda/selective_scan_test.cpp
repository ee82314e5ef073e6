// The selective scan's CUDA kernels in the emulator against the f64 reference, on the shapes of tests/ops.
#include "mom/kernels/cuda/selective_scan.h"

#include "tests/kernels/cuda/scan_case.h"

namespace mom::kernels::cuda::test {
namespace {

Results run_scan(ScanData& data) {
  const ScanInputs in = data.inputs();
  ScanResults to(data, cuda::scan_chunk_state_size(in));
  {
    RowBuffer workspace(1, scan_forward_workspace_size(in));
    selective_scan_forward(in, to.outputs(), workspace.floats(), nullptr);
    machine_finish();
  }
  RowBuffer workspace(1, scan_backward_workspace_size(in));
  selective_scan_backward(in, to.gradients(data), workspace.floats(), nullptr);
  machine_finish();
  return to.results(data.c);
}

double limit_of(const ScanCase& c) {
  const bool f32 = c.type == Element::kF32 && c.coefficient_type == Element::kF32;
  return f32 ? kF32Nmse : kBf16Nmse;
}

void check_scan(const ScanCase& c, const std::string& what, Deviations* deviations = nullptr) {
  ScanData data(c);
  expect_results([&] { return run_scan(data); }, scan_reference(data), limit_of(c), what, deviations);
}

TEST(CudaSelectiveScan, SizesThatHurt) {
  Deviations deviations;
  for (int64_t T : {0, 1, 3, 17, 33}) {
    for (int64_t D : {1, 15, 33, 100}) {
      for (int64_t N : {1, 8, 16, 17}) {
        if (D == 100 && N != 16) continue;
        check_scan({.T = T, .D = D, .N = N},
                   "T " + std::to_string(T) + " D " + std::to_string(D) + " N " + std::to_string(N),
                   &deviations);
      }
    }
  }
  expect_small(deviations, kF32Nmse);
}

TEST(CudaSelectiveScan, LongSequenceInPieces) {
  check_scan({.T = 1023, .D = 5}, "T 1023");
  check_scan({.T = 300, .D = 3, .N = 1}, "N 1");
  check_scan({.T = 300, .D = 5, .N = 37, .gate = false}, "three groups of states");
}

TEST(CudaSelectiveScan, SequencesOfLengthOneAndZero) {
  check_scan({.T = 40, .offsets = {0, 0, 1, 2, 2, 35, 40, 40}}, "offsets");
  check_scan({.T = 0, .offsets = {0, 0, 0}}, "only empty sequences");
  check_scan({.T = 0, .offsets = {0}, .initial = false}, "no sequences");
}

TEST(CudaSelectiveScan, LongAndShortSequencesTogether) {
  std::vector<int64_t> offsets;
  for (int64_t t = 0; t <= 253; t += 11) offsets.push_back(t);
  check_scan({.T = 253, .D = 40, .N = 4, .offsets = offsets, .order = true}, "23 sequences");
  check_scan({.T = 900, .D = 20, .N = 5, .offsets = {0, 100, 500, 500, 510, 638, 900}, .order = true},
             "mixed");
  check_scan({.T = 258, .D = 24, .offsets = {0, 128, 258}, .initial = false},
             "a piece's length and just above");
}

TEST(CudaSelectiveScan, ArgumentsPresentAndAbsent) {
  for (int bits = 0; bits < 64; ++bits) {
    auto on = [&](int i) { return ((bits >> i) & 1) != 0; };
    ScanCase c{.T = 11,
               .D = 3,
               .N = 4,
               .skip = on(0),
               .gate = on(1),
               .bias = on(2),
               .initial = on(3),
               .order = on(4),
               .strided = on(5),
               .final_gradient = __builtin_parity(static_cast<unsigned>(bits)) == 0};
    check_scan(c, "case " + std::to_string(bits));
  }
}

TEST(CudaSelectiveScan, StepsFromTinyToHuge) {
  auto check = [](bool softplus, double low, double high, const std::string& what) {
    check_scan({.T = 200, .D = 8, .bias = false, .softplus = softplus, .dt_low = low, .dt_high = high}, what);
  };
  check(false, 1e-6, 2e-6, "dt 1e-6");
  check_scan({.T = 1023, .D = 3, .bias = false, .softplus = false, .dt_low = 1e-6, .dt_high = 1.1e-6},
             "dt 1e-6, long");
  check_scan({.T = 1023, .D = 3, .bias = false, .softplus = false, .dt_low = 2e-3, .dt_high = 6e-3},
             "where decays begin to be approximate, long");
  check(true, -14, -12, "softplus of -14 to -12");
  check(true, -80, -70, "softplus of -80 to -70");
  check(true, 20, 30, "dt 30");
  check(false, 1e-6, 30, "dt 1e-6 to 30");
}

TEST(CudaSelectiveScan, Bfloat16AndMixtures) {
  constexpr Element kBf16 = Element::kBF16;
  check_scan({.T = 70, .D = 20, .type = kBf16, .coefficient_type = kBf16}, "bf16");
  check_scan({.T = 70, .D = 20, .order = true, .strided = true, .type = kBf16, .coefficient_type = kBf16},
             "bf16 strided");
  check_scan({.T = 200, .D = 20, .type = kBf16}, "bf16, f32 coefficients, pieces");
}

// Forward without states for backward: the same results, and nothing is written there.
TEST(CudaSelectiveScan, ForwardAlone) {
  ScanData data({.T = 70});
  const ScanInputs in = data.inputs();
  RowBuffer y(70, 16), final_state(16, 16);
  selective_scan_forward(in, {y.mutable_rows(), final_state.floats(), nullptr}, nullptr, nullptr);
  machine_finish();
  const Results expected = scan_reference(data);
  EXPECT_LE(nmse(y.values(), expected[0].values), kF32Nmse);
}

}  // namespace
}  // namespace mom::kernels::cuda::test
