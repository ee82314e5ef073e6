#include "mom/dist/shard_plan.h"

#include <algorithm>
#include <stdexcept>

#include "mom/base/rounding.h"

namespace mom::dist {
ShardPlan::ShardPlan(int64_t elements, int processes, int64_t bucket, int64_t chunk, Small small)
    : elements_(elements), processes_(processes), chunk_(chunk) {
  if (elements < 0 || processes < 1 || bucket < 1 || chunk < 1 || small.bucket < 1 || small.until < 0)
    throw std::invalid_argument("ShardPlan: elements, processes and sizes must be positive");
  const auto whole_chunks = [&](int64_t length) {
    return std::max<int64_t>(1, length / chunk / processes_) * processes_;
  };
  const int64_t wanted = std::max<int64_t>(1, ceil_div(elements, chunk));
  num_chunks_ = round_up(wanted, processes_);
  bucket_chunks_ = whole_chunks(bucket);
  small_chunks_ = whole_chunks(small.bucket);
  num_small_ = ceil_div(std::min(small.until, num_chunks_ * chunk), small_chunks_ * chunk);
  num_buckets_ =
      num_small_ + ceil_div(std::max<int64_t>(0, num_chunks_ - num_small_ * small_chunks_), bucket_chunks_);
}

int64_t ShardPlan::first_chunk(int64_t bucket) const {
  const int64_t large = std::max<int64_t>(0, bucket - num_small_);
  return std::min(num_chunks_, (bucket - large) * small_chunks_ + large * bucket_chunks_);
}

int64_t ShardPlan::bucket_of_chunk(int64_t chunk) const {
  const int64_t beyond = chunk - num_small_ * small_chunks_;
  return beyond < 0 ? chunk / small_chunks_ : num_small_ + beyond / bucket_chunks_;
}

int ShardPlan::owner_of_chunk(int64_t chunk) const {
  const int64_t bucket = bucket_of_chunk(chunk);
  const int64_t part_chunks = part_size(bucket) / chunk_;
  return static_cast<int>((chunk - first_chunk(bucket)) / part_chunks);
}

}  // namespace mom::dist
