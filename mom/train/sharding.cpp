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

namespace {

at::Tensor cut(const at::Tensor& row, const Range& range) { return row.narrow(0, range.begin, range.length); }

// Parts that travel packed, and are unpacked into a row when they are there.
class Unpacking : public dist::Pending {
 public:
  struct Part {
    at::Tensor bytes;
    Range range;
  };
  Unpacking(std::unique_ptr<dist::Pending> pending, std::vector<Part> parts, const Transit& transit,
            const at::Tensor& row)
      : pending_(std::move(pending)), parts_(std::move(parts)), transit_(transit), row_(row) {}
  void wait() override {
    pending_->wait();
    for (const Part& part : parts_) transit_.unpack(part.bytes, part.range, cut(row_, part.range));
    parts_.clear();
  }

 private:
  std::unique_ptr<dist::Pending> pending_;
  std::vector<Part> parts_;
  const Transit& transit_;
  at::Tensor row_;
};

}  // namespace

Sharding::Sharding(dist::Group& group, const dist::ShardPlan& plan, Transit transit)
    : group_(group), plan_(plan), transit_(std::move(transit)) {
  for (int64_t bucket = 0; bucket < plan.num_buckets(); ++bucket) own_.push_back(part(bucket, group.rank()));
}

std::unique_ptr<dist::Pending> Sharding::fetch(const at::Tensor& row, int64_t bucket) const {
  const Range all{plan_.bucket_begin(bucket), plan_.bucket_size(bucket)}, own = part(bucket, group_.rank());
  if (!transit_.rounds(all)) return group_.all_gather(cut(row, all), cut(row, own));
  const at::Tensor packed = transit_.pack(row, own);
  std::vector<Unpacking::Part> parts;
  std::vector<at::Tensor> from;
  for (int rank = 0; rank < group_.size(); ++rank) {
    const Range range = part(bucket, rank);
    from.push_back(rank == group_.rank() ? packed : torch::empty({transit_.num_bytes(range)}, torch::kByte));
    if (rank != group_.rank()) parts.push_back({from.back(), range});
  }
  return std::make_unique<Unpacking>(
      group_.exchange(std::vector<at::Tensor>(static_cast<size_t>(group_.size()), packed), from),
      std::move(parts), transit_, row);
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
  if (range.length == 0) return;
  const int64_t end = range.begin + range.length;
  for (int64_t bucket = plan_.bucket_of(range.begin);
       bucket < plan_.num_buckets() && plan_.bucket_begin(bucket) < end; ++bucket)
    for (int rank = 0; rank < group_.size(); ++rank) {
      const int64_t part = plan_.part_begin(bucket, rank), first = std::max(range.begin, part),
                    last = std::min(end, part + plan_.part_size(bucket));
      if (first < last) visit(rank, {first, last - first});
    }
}

Reduction::Reduction(const Sharding& sharding, const at::Tensor& gradient, bool of_one_microbatch,
                     bool keep_own)
    : sharding_(sharding),
      gradient_(gradient),
      transit_(of_one_microbatch ? sharding.transit_ : Transit()),
      keep_own_(keep_own),
      next_(sharding.plan_.num_buckets() - 1) {}

void Reduction::add_up(UnderWay& bucket) {
  bucket.pending->wait();
  const auto own = static_cast<size_t>(sharding_.group_.rank());
  const Range range = sharding_.part(bucket.bucket, sharding_.group_.rank());
  const at::Tensor sum = cut(gradient_, range);
  std::vector<at::Tensor>& parts = bucket.parts;
  for (size_t rank = 0; rank < parts.size(); ++rank) {
    if (rank == own) {
      parts[rank] = sum;
    } else if (parts[rank].scalar_type() == torch::kByte) {
      const at::Tensor numbers = torch::empty_like(sum);
      transit_.unpack(parts[rank], range, numbers);
      parts[rank] = numbers;
    }
  }
  dist::tree_sum_(parts);
  if (own != 0) sum.copy_(parts[0]);
  if (keep_own_) sharding_.drop(gradient_, bucket.bucket);
}

void Reduction::complete_from(int64_t begin) {
  dist::Group& group = sharding_.group_;
  if (group.size() == 1) return;
  torch::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  for (; next_ >= 0 && sharding_.plan_.bucket_begin(next_) >= begin; --next_) {
    UnderWay bucket{next_, nullptr, {}};
    const Range own = sharding_.part(next_, group.rank());
    const bool packed =
        transit_.rounds({sharding_.plan_.bucket_begin(next_), sharding_.plan_.bucket_size(next_)});
    std::vector<at::Tensor> to;
    for (int rank = 0; rank < group.size(); ++rank) {
      const Range range = sharding_.part(next_, rank);
      if (rank == group.rank()) {
        to.push_back(torch::empty({0}, torch::kByte));
        bucket.parts.push_back(to.back());
      } else {
        to.push_back(packed ? transit_.pack(gradient_, range) : cut(gradient_, range));
        bucket.parts.push_back(packed ? torch::empty({transit_.num_bytes(own)}, torch::kByte)
                                      : torch::empty({own.length}, gradient_.options()));
      }
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

at::Tensor Sharding::gather(const std::vector<Wish>& by_rank) const {
  torch::NoGradGuard no_grad;
  const Wish& mine = by_rank[static_cast<size_t>(group_.rank())];
  if (group_.size() == 1) return cut(mine.row, mine.range);
  const at::Tensor nothing = torch::empty({0}, torch::kFloat32);
  std::vector<at::Tensor> to, from;
  std::vector<std::vector<Range>> of_mine(by_rank.size());  // by owner
  visit_owners(mine.range,
               [&](int owner, const Range& part) { of_mine[static_cast<size_t>(owner)].push_back(part); });
  for (size_t rank = 0; rank < by_rank.size(); ++rank) {
    std::vector<at::Tensor> parts{nothing};
    visit_owners(by_rank[rank].range, [&](int owner, const Range& part) {
      if (owner == group_.rank()) parts.push_back(cut(by_rank[rank].row, part));
    });
    to.push_back(parts.size() == 2 ? parts[1] : torch::cat(parts));
    int64_t length = 0;
    for (const Range& part : of_mine[rank]) length += part.length;
    from.push_back(torch::empty({length}, nothing.options()));
  }
  group_.exchange(to, from)->wait();
  const at::Tensor values = torch::empty({mine.range.length}, nothing.options());
  for (size_t rank = 0; rank < by_rank.size(); ++rank) {
    int64_t at = 0;
    for (const Range& part : of_mine[rank]) {
      values.narrow(0, part.begin - mine.range.begin, part.length)
          .copy_(from[rank].narrow(0, at, part.length));
      at += part.length;
    }
  }
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
