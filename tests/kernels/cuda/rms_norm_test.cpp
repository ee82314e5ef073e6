// The norm's CUDA kernels in the emulator against an f64 reference. T rows, E width.
#include "mom/kernels/cuda/rms_norm.h"

#include "tests/kernels/cuda/support.h"

namespace mom::kernels::cuda::test {
namespace {

struct NormCase {
  int64_t T, E;
  bool residual = true, gradient = true, strided = false;
  Element type = Element::kF32;
};

struct NormData {
  NormCase c;
  RowBuffer x, residual, weight, dnormed, dsum;
  explicit NormData(const NormCase& given)
      : c(given),
        x(c.T, c.E, c.type, c.strided ? 3 : 0),
        residual(c.T, c.E, Element::kF32, c.strided ? 5 : 0),
        weight(1, c.E),
        dnormed(c.T, c.E, c.type, c.strided ? 2 : 0),
        dsum(c.T, c.E) {
    Random random(3);
    for (RowBuffer* rows : {&x, &residual, &weight}) rows->fill([&] { return random.normal() + 1; });
    for (RowBuffer* rows : {&dnormed, &dsum}) rows->fill([&] { return random.normal() + 3; });
  }
  NormInputs inputs() {
    NormInputs in;
    in.num_rows = c.T, in.width = c.E, in.x = x.rows(), in.weight = weight.floats(), in.epsilon = 1e-5f;
    if (c.residual) in.residual = residual.rows();
    return in;
  }
};

Results run_norm(NormData& data) {
  const NormCase& c = data.c;
  const NormInputs in = data.inputs();
  RowBuffer normed(c.T, c.E, c.type), sum(c.T, c.E), scale(1, c.T), dx(c.T, c.E), dweight(1, c.E),
      workspace(1, norm_backward_workspace_size(in));
  add_rms_norm_forward(in, normed.mutable_rows(), sum.mutable_rows(), scale.floats(), nullptr);
  NormGradients grad;
  grad.normed = data.dnormed.rows(), grad.sum = sum.rows(), grad.scale = scale.floats();
  if (c.gradient) grad.new_residual = data.dsum.rows();
  grad.x = dx.mutable_rows(), grad.weight = dweight.floats();
  add_rms_norm_backward(in, grad, workspace.floats(), nullptr);
  machine_finish();
  return {{"normed", normed.values()},
          {"sum", sum.values()},
          {"scale", scale.values()},
          {"dx", dx.values()},
          {"dweight", dweight.values()}};
}

Results norm_reference(const NormData& data) {
  const NormCase& c = data.c;
  const auto size = static_cast<size_t>(c.T * c.E);
  std::vector<double> normed(size), sum(size), scale(static_cast<size_t>(c.T)), dx(size),
      dweight(static_cast<size_t>(c.E));
  for (int64_t t = 0; t < c.T; ++t) {
    const auto at = [&](int64_t e) { return static_cast<size_t>(t * c.E + e); };
    double squares = 0, products = 0;
    for (int64_t e = 0; e < c.E; ++e) {
      sum[at(e)] = data.x.get(t, e) + (c.residual ? data.residual.get(t, e) : 0);
      squares += sum[at(e)] * sum[at(e)];
    }
    const double s = 1 / std::sqrt(squares / static_cast<double>(c.E) + static_cast<double>(1e-5f));
    scale[static_cast<size_t>(t)] = s;
    for (int64_t e = 0; e < c.E; ++e) {
      normed[at(e)] = sum[at(e)] * s * data.weight.get(0, e);
      products += data.dnormed.get(t, e) * data.weight.get(0, e) * sum[at(e)] * s;
      dweight[static_cast<size_t>(e)] += data.dnormed.get(t, e) * sum[at(e)] * s;
    }
    for (int64_t e = 0; e < c.E; ++e) {
      const double g = data.dnormed.get(t, e) * data.weight.get(0, e);
      dx[at(e)] = s * (g - sum[at(e)] * s * products / static_cast<double>(c.E));
      if (c.gradient) dx[at(e)] += data.dsum.get(t, e);
    }
  }
  return {{"normed", normed}, {"sum", sum}, {"scale", scale}, {"dx", dx}, {"dweight", dweight}};
}

void check_norm(const NormCase& c, const std::string& what) {
  NormData data(c);
  const double limit = c.type == Element::kF32 ? kF32Nmse : kBf16Nmse;
  expect_results([&] { return run_norm(data); }, norm_reference(data), limit, what);
}

TEST(CudaRmsNorm, SizesThatHurt) {
  for (int64_t T : {0, 1, 5, 300}) {
    for (int64_t E : {1, 31, 32, 33, 100})
      check_norm({.T = T, .E = E}, "T " + std::to_string(T) + " E " + std::to_string(E));
  }
  check_norm({.T = 3, .E = 4100}, "wide rows");
}

TEST(CudaRmsNorm, ArgumentsPresentAndAbsent) {
  for (int bits = 0; bits < 16; ++bits) {
    const bool bf16 = (bits & 8) != 0;
    check_norm({.T = 9,
                .E = 70,
                .residual = (bits & 1) != 0,
                .gradient = (bits & 2) != 0,
                .strided = (bits & 4) != 0,
                .type = bf16 ? Element::kBF16 : Element::kF32},
               "case " + std::to_string(bits));
  }
}

}  // namespace
}  // namespace mom::kernels::cuda::test
