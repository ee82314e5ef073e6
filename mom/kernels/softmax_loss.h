// Next-token loss of rows of logits, and its gradient, in one go. R rows, V vocabulary.
#pragma once

#include <cstdint>

#include "mom/kernels/rows.h"

namespace mom::kernels {

//   log_sum[r] = log(sum_v exp(logits[r, v]))                may be null
//   loss[r]    = log_sum[r] - logits[r, target[r]]           nats
// and where wanted the gradient of scale * (loss[r] + z_weight * log_sum[r]^2):
//   gradient[r, v] = scale * ((1 + 2 z_weight log_sum[r]) softmax(logits[r])[v] - (v == target[r]))
// `logits` are f32 and end up overwritten; `gradient` may be the same memory. Targets are below V.
struct SoftmaxLossOutputs {
  float* loss = nullptr;
  float* log_sum = nullptr;
  MutableRows gradient;
};
void softmax_loss(const MutableRows& logits, int64_t num_rows, int64_t vocabulary, const int64_t* targets,
                  float scale, float z_weight, const SoftmaxLossOutputs& outputs,
                  const ParallelFor& parallel_for);

// Its parts, for one row that is sampled from: the largest logit, and
//   exponentials[v] = exp((logits[v] - largest) * rate)      may be null, or the logits themselves
// whose sum is returned. Each is f32 with a relative error of 1e-6 at most, their sum f64.
float largest_logit(const float* logits, int64_t vocabulary);
double sum_of_exponentials(const float* logits, int64_t vocabulary, float largest, float rate,
                           float* exponentials);

}  // namespace mom::kernels
