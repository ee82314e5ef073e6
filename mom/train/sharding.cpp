#include "mom/train/sharding.h"

#include <torch/types.h>

#include <chrono>

#include "mom/dist/tree_sum.h"

namespace mom::train {
namespace {

// Buckets under way at once: one is added up while the next ones arrive.
constexpr size_t kUnderWay = 3;

}  // namespace

Sharding::Sharding(dist::Group& group, const dist::ShardPlan& plan) : group_(group), plan_(plan) {
  for (int64_t bucket = 0; bucket < plan.num_buckets(); ++bucket)
    own_.push_back({plan.part_begin(bucket, group.rank()), plan.part_size(bucket)});
}

at::Tensor Sharding::part(const at::Tensor& flat, int64_t bucket, int rank) const {
  return flat.narrow(0, plan_.part_begin(bucket, rank), plan_.part_size(bucket));
}

at::Tensor Sharding::part_of_shard(const at::Tensor& shard, int64_t bucket) const {
  return shard.narrow(0, plan_.shard_begin(bucket), plan_.part_size(bucket));
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
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Sharding::Reduction::finish() {
  complete_from(0);
  torch::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  for (UnderWay& bucket : under_way_) add_up(bucket);
  under_way_.clear();
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Sharding::spread(const at::Tensor& flat) const {
  if (group_.size() == 1) return;
  std::vector<std::unique_ptr<dist::Pending>> pending;
  for (int64_t b = 0; b < plan_.num_buckets(); ++b)
    pending.push_back(group_.all_gather(flat.narrow(0, plan_.bucket_begin(b), plan_.bucket_size(b)),
                                        part(flat, b, group_.rank())));
  for (const auto& each : pending) each->wait();
}

at::Tensor Sharding::gather(const at::Tensor& shard) const {
  if (group_.size() == 1) return shard;
  const bool first = group_.rank() == 0;
  const at::Tensor flat = first ? torch::empty({plan_.padded()}, shard.options()) : at::Tensor();
  const at::Tensor nothing = torch::empty({0}, shard.options());
  for (int64_t b = 0; b < plan_.num_buckets(); ++b) {
    const auto ranks = static_cast<size_t>(group_.size());
    std::vector<at::Tensor> to(ranks, nothing), from(ranks, nothing);
    to[0] = part_of_shard(shard, b);
    for (size_t rank = 0; first && rank < ranks; ++rank) from[rank] = part(flat, b, static_cast<int>(rank));
    group_.exchange(to, from)->wait();
  }
  return flat;
}

void Sharding::scatter(const at::Tensor& flat, const at::Tensor& shard) const {
  torch::NoGradGuard no_grad;
  if (group_.size() == 1) {
    shard.copy_(flat);
    return;
  }
  const at::Tensor nothing = torch::empty({0}, shard.options());
  for (int64_t b = 0; b < plan_.num_buckets(); ++b) {
    const auto ranks = static_cast<size_t>(group_.size());
    std::vector<at::Tensor> to(ranks, nothing), from(ranks, nothing);
    for (size_t rank = 0; group_.rank() == 0 && rank < ranks; ++rank)
      to[rank] = part(flat, b, static_cast<int>(rank));
    from[0] = part_of_shard(shard, b);
    group_.exchange(to, from)->wait();
  }
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
