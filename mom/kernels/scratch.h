// A thread's scratch memory: aligned floats, kept from tile to tile so that pages are not returned and
// faulted in again.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "mom/base/rounding.h"

namespace mom::kernels {

class Scratch {
 public:
  // Starts anew with room for `num_floats`, plus padding for up to 32 takes.
  explicit Scratch(int64_t num_floats) : next_(storage(num_floats + 32 * kAlign)) {}
  // The next `num_floats`, 64-byte aligned, not initialised.
  float* take(int64_t num_floats) {
    float* taken = next_;
    next_ += round_up(num_floats, kAlign);
    return taken;
  }

 private:
  static constexpr int64_t kAlign = 16;
  static float* storage(int64_t num_floats) {
    struct Free {
      void operator()(float* memory) const { std::free(memory); }
    };
    thread_local std::unique_ptr<float, Free> memory;
    thread_local int64_t size = 0;
    if (num_floats > size) {
      size = round_up(num_floats, kAlign);
      memory.reset(static_cast<float*>(std::aligned_alloc(64, size * sizeof(float))));
      if (!memory) {
        size = 0;
        throw std::bad_alloc();
      }
    }
    return memory.get();
  }
  float* next_;
};

}  // namespace mom::kernels
