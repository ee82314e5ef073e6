#include "mom/dist/group.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "mom/base/rounding.h"

namespace mom::dist {
namespace {

// c10d's operations know few types, and none of them matters here.
at::Tensor as_bytes(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous(), "[dist] expected a contiguous tensor, got strides ", tensor.strides());
  return tensor.detach().flatten().view(at::kByte);
}

std::vector<at::Tensor> equal_parts(const at::Tensor& tensor, int count, const char* name) {
  TORCH_CHECK(tensor.dim() == 1 && tensor.numel() % count == 0, "[dist] ", name,
              ": expected one dimension that ", count, " divides, got ", tensor.sizes());
  const int64_t part = tensor.numel() / count;
  std::vector<at::Tensor> parts;
  for (int r = 0; r < count; ++r) parts.push_back(tensor.narrow(0, r * part, part));
  return parts;
}

// The same, where the last parts may be shorter or empty.
std::vector<at::Tensor> parts_of(const at::Tensor& tensor, int count) {
  const int64_t size = tensor.numel(), part = ceil_div(size, count);
  std::vector<at::Tensor> parts;
  for (int r = 0; r < count; ++r) {
    const int64_t begin = std::min(size, r * part);
    parts.push_back(tensor.narrow(0, begin, std::min(part, size - begin)));
  }
  return parts;
}

class Done : public Pending {
 public:
  void wait() override {}
};

class Alone : public Group {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }

 protected:
  std::unique_ptr<Pending> start_exchange(std::vector<at::Tensor>, std::vector<at::Tensor>) override {
    return std::make_unique<Done>();
  }
};

}  // namespace

std::unique_ptr<Group> alone() { return std::make_unique<Alone>(); }

void Group::leave(const std::string&) {}

std::unique_ptr<Pending> Group::exchange(std::vector<at::Tensor> to, std::vector<at::Tensor> from) {
  const size_t count = static_cast<size_t>(size()), own = static_cast<size_t>(rank());
  TORCH_CHECK(to.size() == count && from.size() == count, "[dist] exchange: expected ", count,
              " tensors each way, got ", to.size(), " and ", from.size());
  for (at::Tensor& each : to) each = as_bytes(each);
  for (at::Tensor& each : from) each = as_bytes(each);
  TORCH_CHECK(to[own].numel() == from[own].numel(), "[dist] exchange: this rank's own parts have ",
              to[own].numel(), " and ", from[own].numel(), " bytes");
  if (to[own].numel() > 0 && to[own].data_ptr() != from[own].data_ptr()) from[own].copy_(to[own]);
  for (size_t r = 0; r < count; ++r)
    if (r != own) bytes_sent_ += to[r].numel();
  return start_exchange(std::move(to), std::move(from));
}

std::unique_ptr<Pending> Group::all_to_all(at::Tensor out, at::Tensor in) {
  TORCH_CHECK(out.numel() == in.numel() && out.dtype() == in.dtype(),
              "[dist] all_to_all: expected out as in, got ", out.sizes(), " ", out.dtype(), " and ",
              in.sizes(), " ", in.dtype());
  return exchange(equal_parts(in, size(), "all_to_all"), equal_parts(out, size(), "all_to_all"));
}

std::unique_ptr<Pending> Group::all_gather(at::Tensor out, at::Tensor in) {
  TORCH_CHECK(out.numel() == size() * in.numel() && out.dtype() == in.dtype(),
              "[dist] all_gather: expected out of ", size(), " times in, got ", out.sizes(), " ", out.dtype(),
              " and ", in.sizes(), " ", in.dtype());
  return exchange(std::vector<at::Tensor>(static_cast<size_t>(size()), in),
                  equal_parts(out, size(), "all_gather"));
}

void Group::broadcast(at::Tensor tensor, int root) {
  TORCH_CHECK(0 <= root && root < size(), "[dist] broadcast: no rank ", root, " of ", size());
  // The root gives every rank its part, then the ranks give their parts to each other, and none to the root.
  const std::vector<at::Tensor> parts = parts_of(as_bytes(tensor), size());
  const size_t own = static_cast<size_t>(rank()), giver = static_cast<size_t>(root);
  const at::Tensor none = at::empty({0}, tensor.options().dtype(at::kByte));
  const std::vector<at::Tensor> nothing(parts.size(), none);
  std::vector<at::Tensor> to = own == giver ? parts : nothing, from = nothing;
  from[giver] = parts[own];
  to[own] = from[own] = none;
  exchange(std::move(to), std::move(from))->wait();
  to.assign(parts.size(), parts[own]);
  from = own == giver ? nothing : parts;
  to[giver] = to[own] = from[own] = none;
  exchange(std::move(to), std::move(from))->wait();
}

std::vector<std::vector<double>> Group::gather_doubles(const std::vector<double>& mine) {
  const int64_t count = static_cast<int64_t>(mine.size());
  const at::Tensor in = at::empty({count}, at::kDouble), out = at::empty({size() * count}, at::kDouble);
  std::copy(mine.begin(), mine.end(), in.data_ptr<double>());
  all_gather(out, in)->wait();
  std::vector<std::vector<double>> all;
  for (const double* at = out.data_ptr<double>(); static_cast<int>(all.size()) < size(); at += count)
    all.emplace_back(at, at + count);
  return all;
}

std::vector<std::string> Group::gather_strings(const std::string& mine) {
  const std::vector<std::vector<double>> lengths = gather_doubles({static_cast<double>(mine.size())});
  std::vector<at::Tensor> from;
  for (const std::vector<double>& length : lengths)
    from.push_back(at::empty({static_cast<int64_t>(length[0])}, at::kByte));
  const at::Tensor in = at::empty({static_cast<int64_t>(mine.size())}, at::kByte);
  std::copy(mine.begin(), mine.end(), in.data_ptr<uint8_t>());
  exchange(std::vector<at::Tensor>(from.size(), in), from)->wait();
  std::vector<std::string> all;
  for (const at::Tensor& text : from) {
    const uint8_t* begin = text.data_ptr<uint8_t>();
    all.emplace_back(begin, begin + text.numel());
  }
  return all;
}

void Group::barrier() { gather_doubles({0}); }

}  // namespace mom::dist
