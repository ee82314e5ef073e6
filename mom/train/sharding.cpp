#include "mom/train/sharding.h"

#include <torch/types.h>

#include <algorithm>
#include <chrono>

#include "mom/base/stopwatch.h"
#include "mom/dist/tree_sum.h"

namespace mom::train {

int64_t bucket_length(int64_t length, bool all) {
  return std::clamp<int64_t>(length / (all ? 128 : 16), all ? 1 << 18 : 1 << 20, dist::ShardPlan::kBucket);
}

dist::ShardPlan shard_plan(int64_t length, int processes, bool all, int64_t edge) {
  const int64_t bucket = bucket_length(length, all);
  return {length, processes, bucket, dist::ShardPlan::kChunk, {bucket / 4, all ? 0 : edge}};
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
  Unpacking(std::unique_ptr<dist::Pending> pending, std::vector<Part> parts, Transit transit,
            const at::Tensor& row)
      : pending_(std::move(pending)), parts_(std::move(parts)), transit_(std::move(transit)), row_(row) {}
  void wait() override {
    pending_->wait();
    for (const Part& part : parts_) transit_.unpack(part.bytes, part.range, cut(row_, part.range));
    parts_.clear();
  }

 private:
  std::unique_ptr<dist::Pending> pending_;
  std::vector<Part> parts_;
  Transit transit_;
  at::Tensor row_;
};

}  // namespace

Sharding::Sharding(dist::Group& group, const dist::ShardPlan& plan, Transit transit)
    : group_(group), plan_(plan), transit_(std::move(transit)) {
  for (int64_t bucket = 0; bucket < plan.num_buckets(); ++bucket) own_.push_back(part(bucket, group.rank()));
}

std::unique_ptr<dist::Pending> Sharding::fetch(const at::Tensor& row, int64_t bucket) const {
  const Range all{plan_.bucket_begin(bucket), plan_.bucket_size(bucket)}, own = part(bucket, group_.rank());
  if (!transit_.packs(all)) return group_.all_gather(cut(row, all), cut(row, own));
  return exchange_parts(row, bucket,
                        std::vector<at::Tensor>(static_cast<size_t>(group_.size()), transit_.pack(row, own)),
                        transit_);
}

std::unique_ptr<dist::Pending> Sharding::fetch(const at::Tensor& row, int64_t bucket,
                                               const std::vector<Transit>& by_rank) const {
  std::vector<at::Tensor> to(by_rank.size());
  for (size_t rank = 0; rank < by_rank.size(); ++rank)
    if (static_cast<int>(rank) != group_.rank())
      to[rank] = by_rank[rank].pack(row, part(bucket, group_.rank()));
  return exchange_parts(row, bucket, std::move(to), by_rank[static_cast<size_t>(group_.rank())]);
}

std::unique_ptr<dist::Pending> Sharding::exchange_parts(const at::Tensor& row, int64_t bucket,
                                                        std::vector<at::Tensor> to,
                                                        const Transit& mine) const {
  std::vector<Unpacking::Part> parts;
  std::vector<at::Tensor> from;
  for (int rank = 0; rank < group_.size(); ++rank) {
    const Range range = part(bucket, rank);
    const bool own = rank == group_.rank();
    from.push_back(torch::empty({own ? 0 : mine.num_bytes(range)}, row.options().dtype(torch::kByte)));
    if (own)
      to[static_cast<size_t>(rank)] = from.back();
    else
      parts.push_back({from.back(), range});
  }
  return std::make_unique<Unpacking>(group_.exchange(std::move(to), from), std::move(parts), mine, row);
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
                     bool keep_own, const RowsRead* rows)
    : sharding_(sharding), gradient_(gradient), keep_own_(keep_own), next_(sharding.plan_.num_buckets() - 1) {
  const Transit transit = of_one_microbatch ? sharding.transit_ : Transit();
  by_rank_ =
      rows ? rows->read(transit) : std::vector<Transit>(static_cast<size_t>(sharding.group_.size()), transit);
}

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
      const at::Tensor numbers = torch::zeros_like(sum);
      by_rank_[rank].unpack(parts[rank], range, numbers);
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
    const auto bytes = gradient_.options().dtype(torch::kByte);
    const Transit& mine = by_rank_[static_cast<size_t>(group.rank())];
    std::vector<at::Tensor> to;
    for (int rank = 0; rank < group.size(); ++rank) {
      const Range range = sharding_.part(next_, rank);
      const Transit& theirs = by_rank_[static_cast<size_t>(rank)];
      if (rank == group.rank()) {
        to.push_back(torch::empty({0}, bytes));
        bucket.parts.push_back(to.back());
      } else {
        to.push_back(mine.packs(range) ? mine.pack(gradient_, range) : cut(gradient_, range));
        bucket.parts.push_back(theirs.packs(own) ? torch::empty({theirs.num_bytes(own)}, bytes)
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

Spread::Spread(const Sharding& sharding, const at::Tensor& row, std::optional<RowsRead> rows)
    : sharding_(sharding), row_(row) {
  if (!rows) return;
  read_ = rows->read(sharding.transit());
  rest_ = rows->rest(sharding.transit());
  table_begin_ = sharding.plan().bucket_of(rows->table.begin);
  table_end_ = sharding.plan().bucket_of(rows->table.end() - 1) + 1;
}

void Spread::start(int64_t bucket) {
  if (sharding_.group().size() == 1) return;
  const std::lock_guard lock(mutex_);
  const auto start = std::chrono::steady_clock::now();
  const bool of_table = bucket >= table_begin_ && bucket < table_end_;
  under_way_.push_back(of_table ? sharding_.fetch(row_, bucket, read_) : sharding_.fetch(row_, bucket));
  if (bucket + 1 == sharding_.plan().num_buckets())
    for (int64_t each = table_begin_; each < table_end_; ++each)
      rest_under_way_.push_back(sharding_.fetch(row_, each, rest_));
  seconds_ += seconds_since(start);
}

Spread& Spread::start_all() {
  for (int64_t bucket = 0; bucket < sharding_.plan().num_buckets(); ++bucket) start(bucket);
  return *this;
}

void Spread::await_buckets(int64_t end) {
  for (; !under_way_.empty() && sharding_.plan().bucket_begin(next_) < end; ++next_) {
    under_way_.front()->wait();
    under_way_.pop_front();
  }
}

void Spread::await(int64_t end) {
  const std::lock_guard lock(mutex_);
  const auto start = std::chrono::steady_clock::now();
  await_buckets(end);
  seconds_ += seconds_since(start);
}

void Spread::finish() {
  const std::lock_guard lock(mutex_);
  const auto start = std::chrono::steady_clock::now();
  await_buckets(sharding_.plan().padded());
  for (const auto& pending : rest_under_way_) pending->wait();
  rest_under_way_.clear();
  seconds_ += seconds_since(start);
}

at::Tensor Sharding::gather(const std::vector<Wish>& by_rank) const {
  torch::NoGradGuard no_grad;
  const Wish& mine = by_rank[static_cast<size_t>(group_.rank())];
  if (group_.size() == 1) return cut(mine.row, mine.range);
  const auto a_row =
      std::find_if(by_rank.begin(), by_rank.end(), [](const Wish& wish) { return wish.row.defined(); });
  const at::Tensor nothing = torch::empty({0}, a_row->row.options());
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
  if (group_.size() == 1) {
    row.narrow(0, range.begin, range.length).copy_(values);
    return;
  }
  const at::Tensor nothing = torch::empty({0}, row.options());
  visit_owners(range, [&](int owner, const Range& part) {
    std::vector<at::Tensor> to(static_cast<size_t>(group_.size()), nothing), from = to;
    if (group_.rank() == 0)
      to[static_cast<size_t>(owner)] =
          values.narrow(0, part.begin - range.begin, part.length).to(row.device());
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
