#include "mom/dist/shard_plan.h"

#include <algorithm>
#include <stdexcept>

namespace mom::dist {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

ShardPlan::ShardPlan(int64_t elements, int processes, int64_t bucket, int64_t chunk)
    : elements_(elements), processes_(processes), chunk_(chunk) {
  if (elements < 0 || processes < 1 || bucket < 1 || chunk < 1)
    throw std::invalid_argument("ShardPlan: elements, processes and sizes must be positive");
  const int64_t wanted = std::max<int64_t>(1, divide_up(elements, chunk));
  num_chunks_ = divide_up(wanted, processes_) * processes_;
  bucket_chunks_ = std::max<int64_t>(1, bucket / chunk / processes_) * processes_;
  num_buckets_ = divide_up(num_chunks_, bucket_chunks_);
}

int64_t ShardPlan::bucket_size(int64_t bucket) const {
  return std::min(bucket_chunks_, num_chunks_ - bucket * bucket_chunks_) * chunk_;
}

int ShardPlan::owner_of_chunk(int64_t chunk) const {
  const int64_t bucket = chunk / bucket_chunks_;
  const int64_t part_chunks = part_size(bucket) / chunk_;
  return static_cast<int>((chunk - bucket * bucket_chunks_) / part_chunks);
}

}  // namespace mom::dist
