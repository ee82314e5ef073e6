// Rotary position embedding (RoPE) of queries or keys, which also come from rows into sequence order.
// T positions, H heads, W width of a head (even).
//
//   angle[t, i] = (position[t]) * theta^(-2 i / W),  i < W / 2
//   y[t, h, i]         = x[i] cos - x[i + W/2] sin          x = row order[t], head h
//   y[t, h, i + W/2]   = x[i + W/2] cos + x[i] sin
//
//   x_TE      [T, H * W]  f32 or bf16 (f64: reference), any row stride
//   order_T   [T]         i64, row of each position
//   table_TW  [T, W]      f32, as rotary_table makes it
// Returns y_THW [T, H, W].
// f32 inside. Gradients: x. Source: Su et al. 2021 (arXiv 2104.09864), with the halves of Llama checkpoints.
#pragma once

#include <ATen/core/Tensor.h>

namespace mom::ops {

// Cosines, then sines, of each position. positions_T: i64 [T]. Angles in f64, so that far positions are exact.
at::Tensor rotary_table(const at::Tensor& positions_T, int64_t width, double theta);

at::Tensor rotary(const at::Tensor& x_TE, const at::Tensor& order_T, const at::Tensor& table_TW,
                  int64_t heads);
at::Tensor rotary_reference(const at::Tensor& x_TE, const at::Tensor& order_T, const at::Tensor& table_TW,
                            int64_t heads);

}  // namespace mom::ops
