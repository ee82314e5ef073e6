#include "mom/train/transit.h"

#include <torch/types.h>

#include <algorithm>

namespace mom::train {

void Transit::visit(const Range& range, const std::function<void(const Range&, bool)>& visit) const {
  int64_t at = range.begin;
  const int64_t end = range.begin + range.length;
  const auto until = [&](int64_t to, bool rounded) {
    if (at < to) visit({at, to - at}, rounded);
    at = std::max(at, to);
  };
  auto next = std::upper_bound(rounded_.begin(), rounded_.end(), at, [](int64_t begin, const Range& each) {
    return begin < each.begin + each.length;
  });
  for (; next != rounded_.end() && next->begin < end; ++next) {
    until(next->begin, false);
    until(std::min(end, next->begin + next->length), true);
  }
  until(end, false);
}

bool Transit::rounds(const Range& range) const {
  bool any = false;
  visit(range, [&](const Range&, bool rounded) { any |= rounded; });
  return any;
}

int64_t Transit::num_bytes(const Range& range) const {
  int64_t bytes = 0;
  visit(range, [&](const Range& part, bool rounded) { bytes += part.length * (rounded ? 2 : 4); });
  return bytes;
}

namespace {

at::Tensor take(const at::Tensor& bytes, int64_t& at, int64_t length, at::ScalarType type) {
  const int64_t size = length * static_cast<int64_t>(c10::elementSize(type));
  at += size;
  return bytes.narrow(0, at - size, size).view(type);
}

}  // namespace

at::Tensor Transit::pack(const at::Tensor& row, const Range& range) const {
  torch::NoGradGuard no_grad;
  const at::Tensor bytes = torch::empty({num_bytes(range)}, torch::kByte);
  int64_t at = 0;
  visit(range, [&](const Range& part, bool rounded) {
    take(bytes, at, part.length, rounded ? at::kBFloat16 : at::kFloat)
        .copy_(row.narrow(0, part.begin, part.length));
  });
  return bytes;
}

void Transit::unpack(const at::Tensor& bytes, const Range& range, const at::Tensor& numbers) const {
  torch::NoGradGuard no_grad;
  int64_t at = 0;
  visit(range, [&](const Range& part, bool rounded) {
    numbers.narrow(0, part.begin - range.begin, part.length)
        .copy_(take(bytes, at, part.length, rounded ? at::kBFloat16 : at::kFloat));
  });
}

}  // namespace mom::train
