// Rows: one f32 number for every weight of a model, in the order of flat_parameters.h. Weights, gradients, moments and averages
// are rows; of several processes each owns ranges of them (sharding.h), and may have memory for these alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace mom::train {

// A part of a row.
struct Range {
  int64_t begin, length;
  int64_t end() const { return begin + length; }
};

// What two ranges have in common; of length 0 where there is nothing.
inline Range common(const Range& a, const Range& b) {
  const int64_t begin = std::max(a.begin, b.begin);
  return {begin, std::max<int64_t>(0, std::min(a.end(), b.end()) - begin)};
}

// Zeros. In the host's memory they take it page by page, when they are first written; std::bad_alloc where there is no room for
// the addresses.
at::Tensor row_of_zeros(int64_t length, c10::Device device = at::kCPU);
// Of all rows in the host's memory, as if all of their pages had been written: the allocator does not know of them.
int64_t bytes_of_rows();
// In the host's memory: that of whole pages inside `range` goes back to the system; its numbers are zero from now on, those at its ends that
// share a page with others undefined.
void give_back(const at::Tensor& row, const Range& range);

}  // namespace mom::train
