// Which process owns what of a flat space of numbers: integers only.
//
// The space is cut into chunks of 16,384 elements that do not depend on the number of processes, the chunks into buckets
// that are communicated one at a time, and a bucket into one part per process, equal and of whole chunks. Process r owns
// part r of every bucket, so that every chunk belongs to one process. What the last bucket has beyond the space is
// padding. The buckets at the begin of the space may be smaller than the others. Of 5 chunks on 2 processes in buckets of 2:
//
//   chunk   0   1 | 2   3 | 4   -        - is padding
//   owner   0   1 | 0   1 | 0   1
//   bucket    0   |   1   |   2
#pragma once

#include <cstdint>

namespace mom::dist {

class ShardPlan {
 public:
  static constexpr int64_t kChunk = 16384;  // elements: what AdamW's vectors and the sums of norms walk over
  static constexpr int64_t kBucket = 8388608;  // elements: 32 MB of f32

  struct Small {  // buckets of that length, as many as reach `until`
    int64_t bucket = 1, until = 0;
  };

  // At least one bucket and one chunk per process. Lengths of buckets are rounded down to whole chunks for every process, but
  // to one at least. std::invalid_argument unless elements and small.until >= 0 and the others > 0.
  ShardPlan(int64_t elements, int processes, int64_t bucket = kBucket, int64_t chunk = kChunk,
            Small small = {1, 0});

  int64_t elements() const { return elements_; }
  int64_t chunk() const { return chunk_; }
  int processes() const { return static_cast<int>(processes_); }
  int64_t padded() const { return num_chunks_ * chunk_; }  // elements of all buckets together
  int64_t shard_size() const {
    return padded() / processes_;
  }                                                   // elements a process owns, in all buckets together
  int64_t num_chunks() const { return num_chunks_; }  // those of padding counted

  int64_t num_buckets() const { return num_buckets_; }
  int64_t bucket_begin(int64_t bucket) const { return first_chunk(bucket) * chunk_; }
  int64_t bucket_size(int64_t bucket) const { return bucket_begin(bucket + 1) - bucket_begin(bucket); }
  int64_t bucket_of(int64_t element) const { return bucket_of_chunk(element / chunk_); }

  // Elements of one process in a bucket, and where its part begins.
  int64_t part_size(int64_t bucket) const { return bucket_size(bucket) / processes_; }
  int64_t part_begin(int64_t bucket, int rank) const {
    return bucket_begin(bucket) + rank * part_size(bucket);
  }

  int owner_of_chunk(int64_t chunk) const;

 private:
  int64_t first_chunk(int64_t bucket) const;  // of the number of buckets: behind all
  int64_t bucket_of_chunk(int64_t chunk) const;
  int64_t elements_, processes_, chunk_;
  int64_t bucket_chunks_, num_chunks_, num_buckets_;
  int64_t small_chunks_, num_small_;  // of a small bucket; how many there are
};

}  // namespace mom::dist
