// The loss's CUDA kernel in the emulator against an f64 reference. R rows, V vocabulary.
#include "mom/kernels/cuda/softmax_loss.h"

#include "tests/kernels/cuda/support.h"

namespace mom::kernels::cuda::test {
namespace {

struct LossCase {
  int64_t R, V;
  bool log_sum = true, gradient = true, in_place = false, strided = false;
  double z_weight = 0.1, spread = 3;
  Element type = Element::kF32;  // of the gradient
};

struct LossData {
  LossCase c;
  RowBuffer logits;
  std::vector<int64_t> targets;
  Integers device_targets;
  explicit LossData(const LossCase& given)
      : c(given),
        logits(c.R, c.V, Element::kF32, c.strided ? 3 : 0),
        targets(targets_of(c)),
        device_targets(targets) {
    Random random(4);
    logits.fill([&] { return c.spread * random.normal() + 5; });
  }
  static std::vector<int64_t> targets_of(const LossCase& c) {
    Random random(5);
    std::vector<int64_t> all(static_cast<size_t>(c.R));
    for (int64_t& target : all) target = static_cast<int64_t>(random.uniform(0, static_cast<double>(c.V)));
    return all;
  }
};

constexpr float kScale = 0.25f;

Results run_loss(const LossData& data) {
  const LossCase& c = data.c;
  RowBuffer logits(c.R, c.V, Element::kF32, c.strided ? 3 : 0), loss(1, c.R), log_sum(1, c.R),
      gradient(c.R, c.V, c.type, c.strided ? 2 : 0);
  for (int64_t i = 0; i < logits.size(); ++i) logits.set(i, data.logits.get(i));
  SoftmaxLossOutputs to;
  to.loss = loss.floats();
  if (c.log_sum) to.log_sum = log_sum.floats();
  if (c.gradient) to.gradient = c.in_place ? logits.mutable_rows() : gradient.mutable_rows();
  softmax_loss(logits.mutable_rows(), c.R, c.V, data.device_targets.data(), kScale,
               static_cast<float>(c.z_weight), to, nullptr);
  machine_finish();
  Results results{{"loss", loss.values()}};
  if (c.log_sum) results.push_back({"log of sum", log_sum.values()});
  if (c.gradient) results.push_back({"gradient", (c.in_place ? logits : gradient).values()});
  return results;
}

Results loss_reference(const LossData& data) {
  const LossCase& c = data.c;
  std::vector<double> loss, log_sums, gradient;
  for (int64_t r = 0; r < c.R; ++r) {
    double largest = -INFINITY, sum = 0;
    for (int64_t v = 0; v < c.V; ++v) largest = std::fmax(largest, data.logits.get(r, v));
    for (int64_t v = 0; v < c.V; ++v) sum += std::exp(data.logits.get(r, v) - largest);
    const double log_sum = std::log(sum) + largest;
    const int64_t target = data.targets[static_cast<size_t>(r)];
    loss.push_back(log_sum - data.logits.get(r, target));
    log_sums.push_back(log_sum);
    const double factor = 1 + 2 * static_cast<double>(static_cast<float>(c.z_weight)) * log_sum;
    for (int64_t v = 0; v < c.V; ++v) {
      const double softmax = std::exp(data.logits.get(r, v) - log_sum);
      gradient.push_back(static_cast<double>(kScale) * (factor * softmax - (v == target ? 1 : 0)));
    }
  }
  Results results{{"loss", loss}};
  if (c.log_sum) results.push_back({"log of sum", log_sums});
  if (c.gradient) results.push_back({"gradient", gradient});
  return results;
}

void check_loss(const LossCase& c, const std::string& what) {
  const LossData data(c);
  expect_results([&] { return run_loss(data); }, loss_reference(data),
                 c.type == Element::kF32 ? kF32Nmse : kBf16Nmse, what);
}

TEST(CudaSoftmaxLoss, SizesThatHurt) {
  for (int64_t R : {0, 1, 3}) {
    for (int64_t V : {2, 31, 255, 256, 257, 3000})
      check_loss({.R = R, .V = V}, "R " + std::to_string(R) + " V " + std::to_string(V));
  }
}

TEST(CudaSoftmaxLoss, ArgumentsPresentAndAbsent) {
  for (int bits = 0; bits < 16; ++bits) {
    check_loss({.R = 4,
                .V = 300,
                .log_sum = (bits & 1) != 0,
                .gradient = (bits & 2) != 0,
                .in_place = (bits & 4) != 0,
                .strided = (bits & 8) != 0,
                .z_weight = (bits & 1) != 0 ? 0.1 : 0.0},
               "case " + std::to_string(bits));
  }
  check_loss({.R = 5, .V = 300, .type = Element::kBF16}, "bf16");
}

TEST(CudaSoftmaxLoss, LogitsFarApart) {
  check_loss({.R = 5, .V = 300, .spread = 60}, "most exponentials are zero");
  check_loss({.R = 5, .V = 300, .z_weight = 0, .spread = 1e-3}, "all alike");
}

// A logit of minus infinity has no probability, and makes nothing NaN.
TEST(CudaSoftmaxLoss, MinusInfinity) {
  LossData data({.R = 2, .V = 300});
  for (int64_t v = 0; v < 300; v += 2) data.logits.set(v, -INFINITY);
  data.targets = {1, 2};
  data.device_targets.~Integers();
  new (&data.device_targets) Integers(data.targets);
  expect_results([&] { return run_loss(data); }, loss_reference(data), kF32Nmse, "every second one");
}

}  // namespace
}  // namespace mom::kernels::cuda::test
