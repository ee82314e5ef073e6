// What the tests of the CUDA kernels share: memory in allocations of its exact size, rows of either type, runs in all
// schedules whose results must have the same bits, and the comparison with an f64 reference.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "mom/kernels/cuda/device.h"
#include "tests/kernels/cuda/machine.h"

namespace mom::kernels::cuda::test {

constexpr double kF32Nmse = 1e-10, kBf16Nmse = 1e-4;

// The same numbers on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  double uniform(double low, double high) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * static_cast<double>(state_ >> 11) / 9007199254740992.0;
  }
  double normal() {  // of four uniform ones: near enough
    return std::sqrt(3.0) * (uniform(-1, 1) + uniform(-1, 1) + uniform(-1, 1) + uniform(-1, 1)) / 2;
  }
  std::vector<int64_t> permutation(int64_t count) {
    std::vector<int64_t> order(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) order[static_cast<size_t>(i)] = i;
    for (int64_t i = count - 1; i > 0; --i)
      std::swap(order[static_cast<size_t>(i)],
                order[static_cast<size_t>(uniform(0, static_cast<double>(i) + 0.999))]);
    return order;
  }

 private:
  uint64_t state_;
};

// Memory for a kernel. Nothing was written yet: NaN.
class Memory {
 public:
  explicit Memory(size_t bytes) : data_(static_cast<char*>(machine_allocate(bytes))), bytes_(bytes) {
    std::memset(data_, 0xff, bytes);
  }
  ~Memory() { machine_release(data_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  char* data_;
  size_t bytes_;
};

inline uint16_t to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return value != value ? uint16_t{0x7fc0}
                        : static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline float from_bf16(uint16_t half) {
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// [count, width] with `gap` elements between rows, and nothing after the last one.
class RowBuffer {
 public:
  RowBuffer(int64_t count, int64_t width, Element type = Element::kF32, int64_t gap = 0)
      : count_(count), width_(width), stride_(width + gap), type_(type), memory_(size_bytes()) {}
  Rows rows() const { return {memory_.data(), stride_, type_}; }
  MutableRows mutable_rows() { return {memory_.data(), stride_, type_}; }
  float* floats() { return reinterpret_cast<float*>(memory_.data()); }
  int64_t size() const { return count_ * width_; }
  void set(int64_t i, double value) {
    const int64_t at = i / width_ * stride_ + i % width_;
    const auto rounded = static_cast<float>(value);
    if (type_ == Element::kF32) {
      reinterpret_cast<float*>(memory_.data())[at] = rounded;
    } else {
      reinterpret_cast<uint16_t*>(memory_.data())[at] = to_bf16(rounded);
    }
  }
  double get(int64_t i) const {
    const int64_t at = i / width_ * stride_ + i % width_;
    if (type_ == Element::kF32)
      return static_cast<double>(reinterpret_cast<const float*>(memory_.data())[at]);
    return static_cast<double>(from_bf16(reinterpret_cast<const uint16_t*>(memory_.data())[at]));
  }
  double get(int64_t row, int64_t column) const { return get(row * width_ + column); }
  void fill(const std::function<double()>& next) {
    for (int64_t i = 0; i < size(); ++i) set(i, next());
  }
  std::vector<double> values() const {
    std::vector<double> all(static_cast<size_t>(size()));
    for (int64_t i = 0; i < size(); ++i) all[static_cast<size_t>(i)] = get(i);
    return all;
  }

 private:
  size_t size_bytes() const {
    const int64_t elements = count_ == 0 ? 0 : (count_ - 1) * stride_ + width_;
    return static_cast<size_t>(elements) * (type_ == Element::kF32 ? 4 : 2);
  }
  int64_t count_, width_, stride_;
  Element type_;
  Memory memory_;
};

class Integers {
 public:
  explicit Integers(const std::vector<int64_t>& values) : memory_(values.size() * 8) {
    if (!values.empty()) std::memcpy(memory_.data(), values.data(), values.size() * 8);
  }
  const int64_t* data() const { return reinterpret_cast<const int64_t*>(memory_.data()); }

 private:
  Memory memory_;
};

// Sum of squared differences over sum of squares of what is expected; 0 where both are all zero. NaN fails any limit.
struct Deviation {
  double error = 0, size = 0;
  void add(const std::vector<double>& got, const std::vector<double>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      error += (got[i] - expected[i]) * (got[i] - expected[i]);
      size += expected[i] * expected[i];
    }
  }
  double nmse() const { return error == 0 ? 0 : error / size; }
};
inline double nmse(const std::vector<double>& got, const std::vector<double>& expected) {
  Deviation deviation;
  deviation.add(got, expected);
  return deviation.nmse();
}
// By name of a result, over many cases. A result of one number may be a sum of terms that cancel to almost nothing, which
// has no relative error (docs/numerics.md); over cases of all sizes it is measured by what such sums are.
using Deviations = std::map<std::string, Deviation>;
inline void expect_small(const Deviations& deviations, double limit) {
  for (const auto& [name, deviation] : deviations) {
    EXPECT_TRUE(deviation.nmse() <= limit) << name << ": NMSE " << deviation.nmse() << ", at most " << limit;
  }
}

struct Result {
  std::string name;
  std::vector<double> values;
};
using Results = std::vector<Result>;

// run() in all schedules gives the same bits, and they are what is expected; with `deviations`, what they deviate by is added
// to these, for expect_small().
inline void expect_results(const std::function<Results()>& run, const Results& expected, double limit,
                           const std::string& what, Deviations* deviations = nullptr) {
  Results first;
  for (int schedule = 0; schedule < machine_schedules(); ++schedule) {
    machine_schedule(schedule);
    const Results results = run();
    ASSERT_EQ(results.size(), expected.size()) << what;
    for (size_t i = 0; i < results.size(); ++i) {
      const Result& result = results[i];
      const std::string where = what + ", " + result.name + ", schedule " + std::to_string(schedule);
      ASSERT_EQ(result.values.size(), expected[i].values.size()) << where;
      if (schedule > 0) {
        const std::vector<double>& other = first[i].values;
        const bool same =
            other.empty() || std::memcmp(result.values.data(), other.data(), 8 * other.size()) == 0;
        ASSERT_TRUE(same) << where << ": other bits than in the first schedule";
        continue;
      }
      if (deviations) {
        (*deviations)[result.name].add(result.values, expected[i].values);
        continue;
      }
      const double error = nmse(result.values, expected[i].values);
      ASSERT_TRUE(error <= limit) << where << ": NMSE " << error << ", at most " << limit << " is allowed";
    }
    if (schedule == 0) first = results;
  }
}

}  // namespace mom::kernels::cuda::test
