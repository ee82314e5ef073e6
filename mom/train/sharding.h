// What the processes of a run exchange in a step (ZeRO-1, Rajbhandari et al. 2020, arXiv 1910.02054, stage 1): every process
// has all weights and its own microbatches' gradient; of each bucket of the flat layout it owns one part
// (dist/shard_plan.h), receives the others' gradients of it, keeps its moments, updates it, and sends the new weights to all.
// Sums are a fixed tree over the ranks, so that with microbatches in aligned blocks (train/microbatches.h) the bits do not
// depend on the number of processes. Alone, all of it is nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "mom/dist/group.h"
#include "mom/dist/shard_plan.h"
#include "mom/train/optimizer.h"

namespace mom::train {

class Sharding {
 public:
  // Of a layout that is plan.padded() long.
  Sharding(dist::Group& group, const dist::ShardPlan& plan);

  const std::vector<Range>& own() const { return own_; }
  // Of each process its own gradient -> the sum of all in the own ranges of `gradient`; the rest is undefined. Buckets go
  // from the last to the first, the order in which backward completes them.
  class Reduction {
   public:
    Reduction(const Sharding& sharding, const at::Tensor& gradient);
    // From element `begin` on, the gradient is complete: buckets of it start on their way.
    void complete_from(int64_t begin);
    void finish();                               // all of them
    double seconds() const { return seconds_; }  // spent in here

   private:
    struct UnderWay {
      std::unique_ptr<dist::Pending> pending;
      std::vector<at::Tensor> parts;  // by rank
    };
    void add_up(UnderWay& bucket);
    const Sharding& sharding_;
    at::Tensor gradient_;
    int64_t next_;  // bucket
    double seconds_ = 0;
    std::deque<UnderWay> under_way_;
  };
  // Every process's own ranges, on every process. Buckets go from the first to the last, the order in which forward reads them.
  class Spread {
   public:
    Spread(const Sharding& sharding, const at::Tensor& flat);
    // Waits for all before element `end`. Any thread may call it.
    void await(int64_t end);
    double seconds() const { return seconds_; }  // waited

   private:
    const dist::ShardPlan& plan_;
    std::mutex mutex_;
    std::deque<std::unique_ptr<dist::Pending>> under_way_;
    int64_t next_ = 0;  // bucket, the first of them
    double seconds_ = 0;
  };
  // `shard`: numbers of the own ranges, one behind the other. On rank 0 those of [begin, begin + length) of the layout, the
  // rest of the group's included; undefined elsewhere.
  at::Tensor gather(const at::Tensor& shard, const Range& range) const;
  // The way back: `values`, of the range, are read on rank 0 alone.
  void scatter(const at::Tensor& values, const Range& range, const at::Tensor& shard) const;
  // The sum over all chunks in their order of what chunk_squares says of each process's own ranges, by rank.
  double sum_of_chunks(const std::vector<std::vector<double>>& squares_by_rank) const;

 private:
  at::Tensor part(const at::Tensor& flat, int64_t bucket, int rank) const;
  // Calls visit(rank, range inside the layout, its place in the rank's shard) for what each rank has of `range`.
  void visit_owners(const Range& range, const std::function<void(int, const Range&, int64_t)>& visit) const;

  dist::Group& group_;
  dist::ShardPlan plan_;
  std::vector<Range> own_;
};

}  // namespace mom::train
