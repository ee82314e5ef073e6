// What processes do for each other while a microbatch passes through the network, forward and back: the two ways of sharding.
#pragma once

#include <optional>
#include <vector>

#include "mom/train/microbatches.h"
#include "mom/train/sharding.h"

namespace mom::train {

// Every process has all weights (train.shard = "optimizer"): those of the last update arrive before they are read, and
// where a process has one microbatch, its gradient leaves while backward goes on.
class ReplicatedPass : public Pass {
 public:
  // `weights` and `gradient` may be null: nothing arrives, nothing leaves.
  ReplicatedPass(const FlatParameters& parameters, Spread* weights, Reduction* gradient);
  void before_block(int64_t block) override;
  void blocks_done(int64_t block) override;
  void finish() override {}

 private:
  const FlatParameters& parameters_;
  Spread* weights_;
  Reduction* gradient_;
};

// Every process has its own parts alone (train.shard = "all", ZeRO stage 3): a block's weights are brought together before its
// forward and again before its backward, each while the block before it is computed, and their memory goes afterwards, as that
// of its gradient does once its owners have it. What is outside the blocks stays for the whole pass. All processes ask for
// the same buckets in the same order, also one whose microbatch has nothing to learn from.
class ShardedPass : public Pass {
 public:
  // `weights`: a row; `gradient`: undefined for forward alone; `seconds`: what exchanges took is added to it in the end.
  ShardedPass(const Sharding& sharding, const FlatParameters& parameters, const at::Tensor& weights,
              const at::Tensor& gradient, double& seconds);
  void before_block(int64_t block) override;
  void blocks_done(int64_t block) override;
  void finish() override;

 private:
  void advance(int64_t event);
  void forward_event(int64_t block);
  void backward_event(int64_t blocks_done);
  void ask(int64_t block);  // starts what of it is neither here nor on its way
  void await(int64_t block);
  // Buckets [first, last), but those that stay.
  void drop(int64_t first, int64_t last);
  // Buckets that a block's weights are in: first, and behind the last. Block -1: what is outside the blocks.
  int64_t first_bucket(int64_t block) const;
  int64_t behind_bucket(int64_t block) const;

  const Sharding& sharding_;
  const FlatParameters& parameters_;
  const int64_t num_blocks_;
  at::Tensor weights_;
  std::optional<Reduction> reduction_;
  struct Bucket {
    bool asked = false;
    std::unique_ptr<dist::Pending> pending;
  };
  std::vector<Bucket> buckets_;
  int64_t next_event_ = 0;
  double& seconds_;
};

}  // namespace mom::train
