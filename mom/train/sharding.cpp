#include "mom/train/sharding.h"

#include <torch/types.h>

#include <algorithm>
#include <chrono>

#include "mom/base/stopwatch.h"
#include "mom/dist/tree_sum.h"

namespace mom::train {

dist::ShardPlan shard_plan(int64_t length, int processes, bool all) {
  const int64_t smallest = all ? 1 << 18 : 1 << 20, buckets = all ? 128 : 16;
  return {length, processes, std::clamp(length / buckets, smallest, dist::ShardPlan::kBucket)};
}

Sharding::Sharding(dist::Group& group, const dist::ShardPlan& plan) : group_(group), plan_(plan) {
  for (int64_t bucket = 0; bucket < plan.num_buckets(); ++bucket)
    own_.push_back({plan.part_begin(bucket, group.rank()), plan.part_size(bucket)});
}

at::Tensor Sharding::part(const at::Tensor& row, int64_t bucket, int rank) const {
  return row.narrow(0, plan_.part_begin(bucket, rank), plan_.part_size(bucket));
}

std::unique_ptr<dist::Pending> Sharding::fetch(const at::Tensor& row, int64_t bucket) const {
  return group_.all_gather(row.narrow(0, plan_.bucket_begin(bucket), plan_.bucket_size(bucket)),
                           part(row, bucket, group_.rank()));
}

void Sharding::drop(const at::Tensor& row, int64_t bucket) const {
  const int64_t begin = plan_.bucket_begin(bucket), own = plan_.part_begin(bucket, group_.rank()),
                behind = own + plan_.part_size(bucket);
  give_back(row, {begin, own - begin});
  give_back(row, {behind, begin + plan_.bucket_size(bucket) - behind});
}

void Sharding::drop(const at::Tensor& row, const Range& range) const {
  visit_owners(range, [&](int owner, const Range& part) {
    if (owner != group_.rank()) give_back(row, part);
  });
}

void Sharding::drop_all(const at::Tensor& row) const {
  for (int64_t bucket = 0; bucket < plan_.num_buckets(); ++bucket) drop(row, bucket);
}

void Sharding::visit_owners(const Range& range, const std::function<void(int, const Range&)>& visit) const {
  const int64_t end = range.begin + range.length;
  for (int64_t bucket = plan_.bucket_of(range.begin);
       bucket < plan_.num_buckets() && plan_.bucket_begin(bucket) < end; ++bucket)
    for (int rank = 0; rank < group_.size(); ++rank) {
      const int64_t part = plan_.part_begin(bucket, rank), first = std::max(range.begin, part),
                    last = std::min(end, part + plan_.part_size(bucket));
      if (first < last) visit(rank, {first, last - first});
    }
}

Reduction::Reduction(const Sharding& sharding, const at::Tensor& gradient, bool keep_own)
    : sharding_(sharding),
      gradient_(gradient),
      keep_own_(keep_own),
      next_(sharding.plan_.num_buckets() - 1) {}

void Reduction::add_up(UnderWay& bucket) {
  bucket.pending->wait();
  dist::tree_sum_(bucket.parts);
  const auto rank = static_cast<size_t>(sharding_.group_.rank());
  if (rank != 0) bucket.parts[rank].copy_(bucket.parts[0]);
  if (keep_own_) sharding_.drop(gradient_, bucket.bucket);
}

void Reduction::complete_from(int64_t begin) {
  dist::Group& group = sharding_.group_;
  if (group.size() == 1) return;
  torch::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  for (; next_ >= 0 && sharding_.plan_.bucket_begin(next_) >= begin; --next_) {
    UnderWay bucket{next_, nullptr, {}};
    std::vector<at::Tensor> to;
    for (int rank = 0; rank < group.size(); ++rank) {
      to.push_back(sharding_.part(gradient_, next_, rank));
      bucket.parts.push_back(rank == group.rank() ? to.back() : torch::empty_like(to.back()));
    }
    bucket.pending = group.exchange(to, bucket.parts);
    under_way_.push_back(std::move(bucket));
    if (static_cast<int64_t>(under_way_.size()) < (keep_own_ ? kUnderWayKeepingOwn : kUnderWay)) continue;
    add_up(under_way_.front());
    under_way_.pop_front();
  }
  seconds_ += seconds_since(start);
}

void Reduction::finish() {
  complete_from(0);
  torch::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  for (UnderWay& bucket : under_way_) add_up(bucket);
  under_way_.clear();
  seconds_ += seconds_since(start);
}

Spread::Spread(const Sharding& sharding, const at::Tensor& row) : plan_(sharding.plan()) {
  if (sharding.group().size() == 1) return;
  const auto start = std::chrono::steady_clock::now();
  for (int64_t bucket = 0; bucket < plan_.num_buckets(); ++bucket)
    under_way_.push_back(sharding.fetch(row, bucket));
  seconds_ += seconds_since(start);
}

void Spread::await(int64_t end) {
  const std::lock_guard lock(mutex_);
  const auto start = std::chrono::steady_clock::now();
  for (; !under_way_.empty() && plan_.bucket_begin(next_) < end; ++next_) {
    under_way_.front()->wait();
    under_way_.pop_front();
  }
  seconds_ += seconds_since(start);
}

at::Tensor Sharding::gather(const at::Tensor& row, const Range& range) const {
  if (group_.size() == 1) return row.narrow(0, range.begin, range.length);
  const bool first = group_.rank() == 0;
  const at::Tensor values = first ? torch::empty({range.length}, row.options()) : at::Tensor(),
                   nothing = torch::empty({0}, row.options());
  visit_owners(range, [&](int owner, const Range& part) {
    std::vector<at::Tensor> to(static_cast<size_t>(group_.size()), nothing), from = to;
    if (owner == group_.rank()) to[0] = row.narrow(0, part.begin, part.length);
    if (first) from[static_cast<size_t>(owner)] = values.narrow(0, part.begin - range.begin, part.length);
    group_.exchange(to, from)->wait();
  });
  return values;
}

void Sharding::scatter(const at::Tensor& values, const Range& range, const at::Tensor& row) const {
  torch::NoGradGuard no_grad;
  const at::Tensor nothing = torch::empty({0}, row.options());
  visit_owners(range, [&](int owner, const Range& part) {
    std::vector<at::Tensor> to(static_cast<size_t>(group_.size()), nothing), from = to;
    if (group_.rank() == 0)
      to[static_cast<size_t>(owner)] = values.narrow(0, part.begin - range.begin, part.length);
    if (owner == group_.rank()) from[0] = row.narrow(0, part.begin, part.length);
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
