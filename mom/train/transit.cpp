#include "mom/train/transit.h"

#include <torch/types.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace mom::train {

namespace {

// What of `range` is between the ranges.
std::vector<Range> gaps(const Range& range, const std::vector<Range>& ranges) {
  std::vector<Range> gaps;
  int64_t at = range.begin;
  for (const Range& each : ranges) {
    if (at < each.begin) gaps.push_back({at, each.begin - at});
    at = std::max(at, each.end());
  }
  if (at < range.end()) gaps.push_back({at, range.end() - at});
  return gaps;
}

// visit(part, inside or not) for the parts of `range` in and between `ranges`.
template <typename Visit>
void visit_parts(const Range& range, const std::vector<Range>& ranges, const Visit& visit) {
  int64_t at = range.begin;
  const auto until = [&](int64_t to, bool inside) {
    if (at < to) visit({at, to - at}, inside);
    at = std::max(at, to);
  };
  auto next = std::upper_bound(ranges.begin(), ranges.end(), at,
                               [](int64_t begin, const Range& each) { return begin < each.end(); });
  for (; next != ranges.end() && next->begin < range.end(); ++next) {
    until(next->begin, false);
    until(std::min(range.end(), next->end()), true);
  }
  until(range.end(), false);
}

at::Tensor as_numbers(const at::Tensor& bytes, bool rounded) {
  return bytes.view(rounded ? torch::kBFloat16 : torch::kFloat32);
}

// A table's rows are thousands of short parts, for which tensors are slow.
bool is_plain(const at::Tensor& bytes, bool rounded) { return !rounded && bytes.device().is_cpu(); }

}  // namespace

Transit Transit::only(const Range& from, const std::vector<Range>& ranges) const {
  Transit transit(rounded_);
  transit.left_out_ = gaps(from, ranges);
  return transit;
}

Transit Transit::but(const Range& from, const std::vector<Range>& ranges) const {
  constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  Transit transit(rounded_);
  transit.left_out_.push_back({0, from.begin});
  transit.left_out_.insert(transit.left_out_.end(), ranges.begin(), ranges.end());
  transit.left_out_.push_back({from.end(), kEnd - from.end()});
  return transit;
}

void Transit::visit(const Range& range, const std::function<void(const Range&, bool)>& visit) const {
  visit_parts(range, left_out_, [&](const Range& part, bool left_out) {
    if (!left_out) visit_parts(part, rounded_, visit);
  });
}

bool Transit::packs(const Range& range) const {
  int64_t as_they_are = 0;
  visit(range, [&](const Range& part, bool rounded) { as_they_are += rounded ? 0 : part.length; });
  return as_they_are < range.length;
}

int64_t Transit::num_bytes(const Range& range) const {
  int64_t bytes = 0;
  visit(range, [&](const Range& part, bool rounded) { bytes += part.length * (rounded ? 2 : 4); });
  return bytes;
}

at::Tensor Transit::pack(const at::Tensor& row, const Range& range) const {
  torch::NoGradGuard no_grad;
  const at::Tensor bytes = torch::empty({num_bytes(range)}, row.options().dtype(torch::kByte));
  int64_t at = 0;
  visit(range, [&](const Range& part, bool rounded) {
    const int64_t size = part.length * (rounded ? 2 : 4);
    if (is_plain(bytes, rounded))
      std::memcpy(bytes.mutable_data_ptr<uint8_t>() + at, row.const_data_ptr<float>() + part.begin,
                  static_cast<size_t>(size));
    else
      as_numbers(bytes.narrow(0, at, size), rounded).copy_(row.narrow(0, part.begin, part.length));
    at += size;
  });
  return bytes;
}

void Transit::unpack(const at::Tensor& bytes, const Range& range, const at::Tensor& numbers) const {
  torch::NoGradGuard no_grad;
  int64_t at = 0;
  visit(range, [&](const Range& part, bool rounded) {
    const int64_t size = part.length * (rounded ? 2 : 4), to = part.begin - range.begin;
    if (is_plain(bytes, rounded))
      std::memcpy(numbers.mutable_data_ptr<float>() + to, bytes.const_data_ptr<uint8_t>() + at,
                  static_cast<size_t>(size));
    else
      numbers.narrow(0, to, part.length).copy_(as_numbers(bytes.narrow(0, at, size), rounded));
    at += size;
  });
}

}  // namespace mom::train
