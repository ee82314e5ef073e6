// Raw views the kernels read and write. No torch here: mom/ops makes these from tensors.
#pragma once

#include <cstdint>
#include <functional>

namespace mom::kernels {

enum class Element : uint8_t { kF32, kBF16 };

// A matrix whose rows are dense (last stride 1); `stride` is elements from row to row. Null data = absent.
struct Rows {
  const void* data = nullptr;
  int64_t stride = 0;
  Element type = Element::kF32;
};
struct MutableRows {
  void* data = nullptr;
  int64_t stride = 0;
  Element type = Element::kF32;
};

// Runs tile(0) .. tile(count - 1), in any order, on any threads, and returns when all are done. What a tile
// computes never depends on the thread, so results have the same bits for any number of threads.
using ParallelFor = std::function<void(int64_t count, const std::function<void(int64_t)>& tile)>;
void serial_for(int64_t count, const std::function<void(int64_t)>& tile);

}  // namespace mom::kernels
