// Memory in large pages, where the system has them: streaming through hundreds of megabytes in pages of 4 KiB
// costs up to half of the memory bandwidth.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "mom/base/rounding.h"

namespace mom::ops {

// A region that tensors are cut from; it lives as long as the last of them.
class HugePages {
 public:
  // std::bad_alloc where the system gives none. Untouched memory costs nothing.
  explicit HugePages(int64_t num_bytes);
  // The next part, 64-byte aligned, not initialised. logic_error when there is no room.
  at::Tensor take(at::IntArrayRef sizes, at::ScalarType type);
  bool has_room_for(int64_t num_bytes) const { return used_ + rounded(num_bytes) <= size_; }
  // Bytes of the region that a tensor of `num_bytes` takes.
  static int64_t rounded(int64_t num_bytes) { return round_up(num_bytes, kAlign); }

 private:
  static constexpr int64_t kAlign = 64;
  std::shared_ptr<char> memory_;
  int64_t size_ = 0, used_ = 0;
};

}  // namespace mom::ops
