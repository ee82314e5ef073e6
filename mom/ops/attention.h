// Softmax attention over packed sequences. T positions, L keys (T, or more where some come from earlier calls), H heads,
// W width of a head.
//
//   y[t] = sum_k softmax_k(q[t] . k[k] / sqrt(W)) v[k],  over the keys that the plan lets t look at
//
//   q_THW         [T, H, W]  f32 or bf16 (f64: reference), dense, positions in sequence order
//   k_LHW, v_LHW  [L, H, W]  as q, keys in sequence order
// Returns y_THW (as q).
//
// Runs in ATen's flash attention, part by part of the plan; where a query range has two parts, their softmaxes are
// joined through their logarithmic sums. Memory: a few numbers per position and head, never a score matrix. On another device:
// LibTorch's scaled_dot_product_attention.
// Precision: f32 sums.   Gradients: q, k, v.   Same bits for any number of threads.
// Source: Dao et al. 2022 (arXiv 2205.14135). Plain version: attention_reference.
#pragma once

#include <ATen/core/Tensor.h>

#include "mom/ops/attention_plan.h"

namespace mom::ops {

using AttentionPlanPtr = c10::intrusive_ptr<AttentionPlan>;

at::Tensor attention(const at::Tensor& q_THW, const at::Tensor& k_LHW, const at::Tensor& v_LHW,
                     const AttentionPlanPtr& plan);
// A dense score matrix a query range.
at::Tensor attention_reference(const at::Tensor& q_THW, const at::Tensor& k_LHW, const at::Tensor& v_LHW,
                               const AttentionPlan& plan);

}  // namespace mom::ops
