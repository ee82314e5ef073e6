#include "mom/train/sharding.h"

#include <torch/types.h>

#include <algorithm>
#include <chrono>

#include "mom/base/stopwatch.h"
#include "mom/dist/tree_sum.h"

namespace mom::train {
namespace {

// Buckets under way at once: one is added up while the next ones arrive.
constexpr size_t kUnderWay = 8;

}  // namespace

Sharding::Sharding(dist::Group& group, const dist::ShardPlan& plan) : group_(group), plan_(plan) {
  for (int64_t bucket = 0; bucket < plan.num_buckets(); ++bucket)
    own_.push_back({plan.part_begin(bucket, group.rank()), plan.part_size(bucket)});
}

at::Tensor Sharding::part(const at::Tensor& flat, int64_t bucket, int rank) const {
  return flat.narrow(0, plan_.part_begin(bucket, rank), plan_.part_size(bucket));
}

void Sharding::visit_owners(const Range& range,
                            const std::function<void(int, const Range&, int64_t)>& visit) const {
  const int64_t end = range.begin + range.length;
  for (int64_t bucket = plan_.bucket_of(range.begin);
       bucket < plan_.num_buckets() && plan_.bucket_begin(bucket) < end; ++bucket)
    for (int rank = 0; rank < group_.size(); ++rank) {
      const int64_t part = plan_.part_begin(bucket, rank), first = std::max(range.begin, part),
                    last = std::min(end, part + plan_.part_size(bucket));
      if (first < last) visit(rank, {first, last - first}, plan_.shard_begin(bucket) + first - part);
    }
}

Sharding::Reduction::Reduction(const Sharding& sharding, const at::Tensor& gradient)
    : sharding_(sharding), gradient_(gradient), next_(sharding.plan_.num_buckets() - 1) {}

void Sharding::Reduction::add_up(UnderWay& bucket) {
  bucket.pending->wait();
  dist::tree_sum_(bucket.parts);
  const auto rank = static_cast<size_t>(sharding_.group_.rank());
  if (rank != 0) bucket.parts[rank].copy_(bucket.parts[0]);
}

void Sharding::Reduction::complete_from(int64_t begin) {
  dist::Group& group = sharding_.group_;
  if (group.size() == 1) return;
  torch::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  for (; next_ >= 0 && sharding_.plan_.bucket_begin(next_) >= begin; --next_) {
    UnderWay bucket;
    std::vector<at::Tensor> to;
    for (int rank = 0; rank < group.size(); ++rank) {
      to.push_back(sharding_.part(gradient_, next_, rank));
      bucket.parts.push_back(rank == group.rank() ? to.back() : torch::empty_like(to.back()));
    }
    bucket.pending = group.exchange(to, bucket.parts);
    under_way_.push_back(std::move(bucket));
    if (under_way_.size() < kUnderWay) continue;
    add_up(under_way_.front());
    under_way_.pop_front();
  }
  seconds_ += seconds_since(start);
}

void Sharding::Reduction::finish() {
  complete_from(0);
  torch::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  for (UnderWay& bucket : under_way_) add_up(bucket);
  under_way_.clear();
  seconds_ += seconds_since(start);
}

Sharding::Spread::Spread(const Sharding& sharding, const at::Tensor& flat) : plan_(sharding.plan_) {
  if (sharding.group_.size() == 1) return;
  const auto start = std::chrono::steady_clock::now();
  for (int64_t b = 0; b < plan_.num_buckets(); ++b)
    under_way_.push_back(
        sharding.group_.all_gather(flat.narrow(0, plan_.bucket_begin(b), plan_.bucket_size(b)),
                                   sharding.part(flat, b, sharding.group_.rank())));
  seconds_ += seconds_since(start);
}

void Sharding::Spread::await(int64_t end) {
  const std::lock_guard lock(mutex_);
  const auto start = std::chrono::steady_clock::now();
  for (; !under_way_.empty() && plan_.bucket_begin(next_) < end; ++next_) {
    under_way_.front()->wait();
    under_way_.pop_front();
  }
  seconds_ += seconds_since(start);
}

at::Tensor Sharding::gather(const at::Tensor& shard, const Range& range) const {
  if (group_.size() == 1) return shard.narrow(0, range.begin, range.length);
  const bool first = group_.rank() == 0;
  const at::Tensor values = first ? torch::empty({range.length}, shard.options()) : at::Tensor(),
                   nothing = torch::empty({0}, shard.options());
  visit_owners(range, [&](int owner, const Range& part, int64_t place) {
    std::vector<at::Tensor> to(static_cast<size_t>(group_.size()), nothing), from = to;
    if (owner == group_.rank()) to[0] = shard.narrow(0, place, part.length);
    if (first) from[static_cast<size_t>(owner)] = values.narrow(0, part.begin - range.begin, part.length);
    group_.exchange(to, from)->wait();
  });
  return values;
}

void Sharding::scatter(const at::Tensor& values, const Range& range, const at::Tensor& shard) const {
  torch::NoGradGuard no_grad;
  const at::Tensor nothing = torch::empty({0}, shard.options());
  visit_owners(range, [&](int owner, const Range& part, int64_t place) {
    std::vector<at::Tensor> to(static_cast<size_t>(group_.size()), nothing), from = to;
    if (group_.rank() == 0)
      to[static_cast<size_t>(owner)] = values.narrow(0, part.begin - range.begin, part.length);
    if (owner == group_.rank()) from[0] = shard.narrow(0, place, part.length);
    group_.exchange(to, from)->wait();
  });
}

double Sharding::sum_of_chunks(const std::vector<std::vector<double>>& squares_by_rank) const {
  std::vector<size_t> next(squares_by_rank.size(), 0);
  double sum = 0;
  for (int64_t chunk = 0; chunk < plan_.num_chunks(); ++chunk) {
    const auto owner = static_cast<size_t>(plan_.owner_of_chunk(chunk));
    sum += squares_by_rank[owner][next[owner]++];
  }
  return sum;
}

}  // namespace mom::train
