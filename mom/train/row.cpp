#include "mom/train/row.h"

#include <ATen/ATen.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "mom/base/rounding.h"

namespace mom::train {
namespace {

constexpr int64_t kPage = 4096;
std::atomic<int64_t> all_bytes{0};

}  // namespace

at::Tensor row_of_zeros(int64_t length, c10::Device device) {
  if (!device.is_cpu()) return at::zeros({length}, at::TensorOptions(at::kFloat).device(device));
  const auto bytes = static_cast<size_t>(std::max<int64_t>(length, 1)) * sizeof(float);
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  all_bytes += static_cast<int64_t>(bytes);
  return at::from_blob(
      memory, {length},
      [bytes](void* data) {
        munmap(data, bytes);
        all_bytes -= static_cast<int64_t>(bytes);
      },
      at::TensorOptions(at::kFloat));
}

int64_t bytes_of_rows() { return all_bytes; }

void give_back(const at::Tensor& row, const Range& range) {
  const auto address = reinterpret_cast<uintptr_t>(row.const_data_ptr<float>() + range.begin);
  const uintptr_t begin = round_up(address, kPage),
                  end = (address + static_cast<uintptr_t>(range.length) * sizeof(float)) / kPage * kPage;
  if (begin >= end) return;
  void* const pages = reinterpret_cast<void*>(begin);
  madvise(pages, end - begin, MADV_NOHUGEPAGE);  // a hint: else a neighbour's write would bring these back
  if (madvise(pages, end - begin, MADV_DONTNEED) != 0) std::memset(pages, 0, end - begin);
}

}  // namespace mom::train
