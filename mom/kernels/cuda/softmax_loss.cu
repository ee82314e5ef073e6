#include "mom/kernels/cuda/softmax_loss.h"

#include "mom/kernels/cuda/device_rows.h"

namespace mom::kernels::cuda {
namespace {

constexpr int kLossThreads = 256, kLossWarps = kLossThreads / kWarp;
constexpr float kLowest = -3.4028235e38f;  // not infinity, whose difference from itself is NaN

struct SoftmaxLoss {
  MutableRows logits;
  int64_t vocabulary = 0;
  const int64_t* targets = nullptr;
  float scale = 0, z_weight = 0;
  SoftmaxLossOutputs to;
};

// The largest logit so far, and the sum of exp(logit - largest).
struct Largest {
  float value, sum;
};
MOM_DEVICE Largest joined(const Largest& a, const Largest& b) {
  const float value = max(a.value, b.value);
  return {value, fma(a.sum, exp(a.value - value), b.sum * exp(b.value - value))};
}

template <class Access>
MOM_KERNEL(kLossThreads, 4)
softmax_row(const SoftmaxLoss work) {
  MOM_SHARED(float, largest_of_warp, kLossWarps);
  MOM_SHARED(float, sum_of_its_exponentials, kLossWarps);
  const int64_t row = block_x(), target = work.targets[row];
  const float* logits = static_cast<const float*>(work.logits.data) + row * work.logits.stride;
  const float of_target = logits[target];
  Largest mine{kLowest, 0.0f};
  for (int64_t v = thread_index(); v < work.vocabulary; v += kLossThreads) {
    const float x = logits[v];
    if (x > mine.value) mine = {x, mine.sum * exp(mine.value - x)};
    mine.sum += exp(x - mine.value);
  }
  MOM_UNROLL
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2)
    mine = joined(mine, {shuffle_xor(mine.value, lanes), shuffle_xor(mine.sum, lanes)});
  if (lane_index() == 0)
    largest_of_warp[warp_index()] = mine.value, sum_of_its_exponentials[warp_index()] = mine.sum;
  barrier();
  Largest all{largest_of_warp[0], sum_of_its_exponentials[0]};
  for (int warp = 1; warp < kLossWarps; ++warp)
    all = joined(all, {largest_of_warp[warp], sum_of_its_exponentials[warp]});
  const float log_of_sum = log(all.sum), log_sum = log_of_sum + all.value;
  if (thread_index() == 0) {
    work.to.loss[row] = log_of_sum + (all.value - of_target);
    if (work.to.log_sum != nullptr) work.to.log_sum[row] = log_sum;
  }
  if (work.to.gradient.data == nullptr) return;
  const float of_softmax = 1.0f + 2.0f * work.z_weight * log_sum;
  for (int64_t v = thread_index(); v < work.vocabulary; v += kLossThreads) {
    const float probability = exp(logits[v] - all.value) / all.sum;
    const float minus = v == target ? 1.0f : 0.0f;
    Access::store(work.scale * (of_softmax * probability - minus), work.to.gradient, row, v);
  }
}

}  // namespace

void softmax_loss(const MutableRows& logits, int64_t num_rows, int64_t vocabulary, const int64_t* targets,
                  float scale, float z_weight, const SoftmaxLossOutputs& outputs, Stream stream) {
  const SoftmaxLoss work{logits, vocabulary, targets, scale, z_weight, outputs};
  with_access(
      [&](auto access) { launch(softmax_row<decltype(access)>, {num_rows}, kLossThreads, stream, work); },
      outputs.gradient);
}

}  // namespace mom::kernels::cuda
