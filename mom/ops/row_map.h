// Permuting and gathering rows: into sequence order and back, to experts and back, into padded blocks. A map says which
// source row each of N slots takes; a source may be taken any number of times.
//
//   take_rows:  y[n] = x[source[n]], zeros where source[n] is -1            x_TE [T, E] -> [N, E]
//   add_rows:   y[t] = sum over n with source[n] = t of weight[n] * x[n]    x_NE [N, E] -> [T, E]
// f32, bf16 or (reference) f64; weights f32, absent = 1. Sums are f32 and in the order of n: same bits for any number of
// threads. Gradients: rows and weights.
// Errors: "[take_rows] x_TE: expected [64, -1] float, got ...".
// Plain version: index_select and index_add in row_map.cpp.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "mom/ops/device_copies.h"

namespace mom::ops {

class RowMap : public torch::CustomClassHolder {
 public:
  // sources_N: i64 in host memory, each -1 to num_sources - 1.
  RowMap(const at::Tensor& sources_N, int64_t num_sources);
  // Both ways round, on the device that computes, which the host need not wait for: slots_TK i64 [T, K] has the slots of each source,
  // rising, -1 where they are fewer. The values are taken as they are.
  RowMap(const at::Tensor& sources_N, const at::Tensor& slots_TK);

  int64_t num_slots() const { return sources_N_.size(0); }
  int64_t num_sources() const { return first_T1_.size(0) - 1; }
  // i64, on a device: where they are at no cost, elsewhere copied once.
  at::Tensor sources_N(c10::Device device) const { return copies_.of(sources_N_, device); }
  // The slots of source t, rising: slots[first[t]] .. slots[first[t + 1] - 1], of which -1 is none.
  at::Tensor first_T1(c10::Device device) const { return copies_.of(first_T1_, device); }
  at::Tensor slots(c10::Device device) const { return copies_.of(slots_, device); }

 private:
  at::Tensor sources_N_, first_T1_, slots_;  // all in host memory, or all on a device
  DeviceCopies copies_;
};
using RowMapPtr = c10::intrusive_ptr<RowMap>;

RowMapPtr make_row_map(const std::vector<int64_t>& sources_N, int64_t num_sources);
RowMapPtr make_row_map(const at::Tensor& sources_N, int64_t num_sources);  // i64 in host memory
RowMapPtr make_row_map(const at::Tensor& sources_N, const at::Tensor& slots_TK);

at::Tensor take_rows(const at::Tensor& x_TE, const RowMapPtr& map);
at::Tensor add_rows(const at::Tensor& x_NE, const std::optional<at::Tensor>& weights_N, const RowMapPtr& map);

}  // namespace mom::ops
