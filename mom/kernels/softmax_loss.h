// Next-token loss of rows of logits, and its gradient, in one go. R rows, V vocabulary.
#pragma once

#include <cstdint>

#include "mom/kernels/rows.h"

namespace mom::kernels {

// loss[r] = log(sum_v exp(logits[r, v])) - logits[r, target[r]], in nats, and, where wanted,
// gradient[r, v] = scale * (softmax(logits[r])[v] - (v == target[r])). `logits` are f32 and end up
// overwritten; `gradient` may be the same memory. Targets are below V.
void softmax_loss(const MutableRows& logits, int64_t num_rows, int64_t vocabulary, const int64_t* targets,
                  float scale, float* loss, const MutableRows& gradient, const ParallelFor& parallel_for);

}  // namespace mom::kernels
