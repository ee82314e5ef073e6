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

namespace mom::ops {

class RowMap : public torch::CustomClassHolder {
 public:
  // sources_N: each -1 to num_sources - 1.
  RowMap(std::vector<int64_t> sources_N, int64_t num_sources);

  int64_t num_slots() const { return static_cast<int64_t>(sources_.size()); }
  int64_t num_sources() const { return static_cast<int64_t>(first_.size()) - 1; }
  const std::vector<int64_t>& sources() const { return sources_; }
  // The slots of source t, rising: slots()[first()[t]] .. slots()[first()[t + 1] - 1].
  const std::vector<int64_t>& first() const { return first_; }
  const std::vector<int64_t>& slots() const { return slots_; }

 private:
  std::vector<int64_t> sources_, first_, slots_;
};
using RowMapPtr = c10::intrusive_ptr<RowMap>;

RowMapPtr make_row_map(std::vector<int64_t> sources_N, int64_t num_sources);
RowMapPtr make_row_map(const at::Tensor& sources_N, int64_t num_sources);  // i64

at::Tensor take_rows(const at::Tensor& x_TE, const RowMapPtr& map);
at::Tensor add_rows(const at::Tensor& x_NE, const std::optional<at::Tensor>& weights_N, const RowMapPtr& map);

}  // namespace mom::ops
