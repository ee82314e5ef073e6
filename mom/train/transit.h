// How numbers of a row travel between processes: as they are, or those in `rounded` ranges as bf16, or only some of them. With
// bf16 computing a projection reads its weight rounded, and the gradient of one microbatch comes rounded out of one product: bf16
// loses nothing there, and halves the bytes.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "mom/train/row.h"

namespace mom::train {

class Transit {
 public:
  // Ranges in rising order that do not overlap, multiples of 16 numbers.
  explicit Transit(std::vector<Range> rounded = {}) : rounded_(std::move(rounded)) {}
  // The same, but of numbers in `from` only those that are in `ranges`, which are in rising order.
  Transit only(const Range& from, const std::vector<Range>& ranges) const;
  // The rest of them, and nothing else.
  Transit but(const Range& from, const std::vector<Range>& ranges) const;

  bool packs(const Range& range) const;  // whether it travels in another form than the row's
  int64_t num_bytes(const Range& range) const;
  // The numbers of `range` as bytes.
  at::Tensor pack(const at::Tensor& row, const Range& range) const;
  // Into `numbers`, [range.length], of which those that did not travel stay.
  void unpack(const at::Tensor& bytes, const Range& range, const at::Tensor& numbers) const;

 private:
  // Calls visit(part, rounded or not) for the parts of `range` that travel, in their order.
  void visit(const Range& range, const std::function<void(const Range&, bool)>& visit) const;
  std::vector<Range> rounded_;
  std::vector<Range> left_out_;
};

}  // namespace mom::train
