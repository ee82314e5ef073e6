#include "mom/ops/huge_pages.h"

#include <ATen/ATen.h>
#include <sys/mman.h>

#include <new>
#include <stdexcept>

#include "mom/base/rounding.h"

namespace mom::ops {

HugePages::HugePages(int64_t num_bytes) : size_(num_bytes) {
  constexpr size_t kHuge = size_t{2} << 20;
  const size_t mapped = round_up(static_cast<size_t>(num_bytes) + kHuge, kHuge);
  void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
  madvise(base, mapped, MADV_HUGEPAGE);  // a hint
  void* aligned = base;
  size_t space = mapped;
  std::align(kHuge, static_cast<size_t>(num_bytes), aligned, space);
  memory_ =
      std::shared_ptr<char>(static_cast<char*>(aligned), [base, mapped](char*) { munmap(base, mapped); });
}

at::Tensor HugePages::take(at::IntArrayRef sizes, at::ScalarType type) {
  const int64_t num_bytes =
      rounded(c10::multiply_integers(sizes) * static_cast<int64_t>(c10::elementSize(type)));
  if (!has_room_for(num_bytes)) throw std::logic_error("HugePages: no room");
  char* data = memory_.get() + used_;
  used_ += num_bytes;
  return at::from_blob(
      data, sizes, [memory = memory_](void*) {}, at::TensorOptions(type));
}

}  // namespace mom::ops
