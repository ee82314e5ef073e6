#include "mom/train/passes.h"

#include <torch/types.h>

#include <chrono>

#include "mom/base/stopwatch.h"

namespace mom::train {

ReplicatedPass::ReplicatedPass(const FlatParameters& parameters, Spread* weights, Reduction* gradient)
    : parameters_(parameters), weights_(weights), gradient_(gradient) {
  if (weights_) weights_->await(parameters_.begin_of_block(0));
}

void ReplicatedPass::before_block(int64_t block) {
  if (weights_) weights_->await(parameters_.begin_of_block(block + 1));
}

void ReplicatedPass::blocks_done(int64_t block) {
  if (gradient_) gradient_->complete_from(parameters_.begin_of_block(block));
}

ShardedPass::ShardedPass(const Sharding& sharding, const FlatParameters& parameters,
                         const at::Tensor& weights, const at::Tensor& gradient, double& seconds)
    : sharding_(sharding),
      parameters_(parameters),
      num_blocks_(parameters.num_blocks()),
      weights_(weights),
      buckets_(static_cast<size_t>(sharding.plan().num_buckets())),
      seconds_(seconds) {
  const auto start = std::chrono::steady_clock::now();
  if (gradient.defined())
    reduction_.emplace(sharding, gradient, /*of_one_microbatch=*/true, /*keep_own=*/true);
  ask(-1);
  ask(0);
  await(-1);
  seconds_ += seconds_since(start);
}

int64_t ShardedPass::first_bucket(int64_t block) const {
  return block < 0 ? 0 : sharding_.plan().bucket_of(parameters_.begin_of_block(block));
}

int64_t ShardedPass::behind_bucket(int64_t block) const {
  const int64_t begin = block < 0 ? 0 : parameters_.begin_of_block(block),
                end = parameters_.begin_of_block(block + 1);
  return begin == end ? first_bucket(block) : sharding_.plan().bucket_of(end - 1) + 1;
}

void ShardedPass::ask(int64_t block) {
  for (int64_t b = first_bucket(block); b < behind_bucket(block); ++b) {
    Bucket& bucket = buckets_[static_cast<size_t>(b)];
    if (bucket.asked) continue;
    bucket = {true, sharding_.fetch(weights_, b)};
  }
}

void ShardedPass::await(int64_t block) {
  for (int64_t b = first_bucket(block); b < behind_bucket(block); ++b) {
    Bucket& bucket = buckets_[static_cast<size_t>(b)];
    if (bucket.pending) bucket.pending->wait();
    bucket.pending.reset();
  }
}

void ShardedPass::drop(int64_t first, int64_t last) {
  for (int64_t b = std::max(first, behind_bucket(-1)); b < last; ++b) {
    Bucket& bucket = buckets_[static_cast<size_t>(b)];
    if (!bucket.asked) continue;
    if (bucket.pending) bucket.pending->wait();
    bucket = {};
    sharding_.drop(weights_, b);
  }
}

void ShardedPass::forward_event(int64_t block) {
  // The last block stays, since backward begins with it.
  if (block < num_blocks_) drop(first_bucket(block - 1), first_bucket(block));
  ask(block);
  if (block < num_blocks_) ask(block + 1);
  await(block);
}

void ShardedPass::backward_event(int64_t done) {
  reduction_->complete_from(parameters_.begin_of_block(done));
  if (done == 0) return;
  drop(behind_bucket(done - 1), behind_bucket(done));
  ask(done - 1);
  if (done > 1) ask(done - 2);
  await(done - 1);
}

// Events 0 to L are forward's, those to 2 L + 1 backward's, of L blocks.
void ShardedPass::advance(int64_t event) {
  torch::NoGradGuard no_grad;
  const auto start = std::chrono::steady_clock::now();
  for (; next_event_ <= event; ++next_event_) {
    if (next_event_ <= num_blocks_)
      forward_event(next_event_);
    else if (reduction_)
      backward_event(2 * num_blocks_ + 1 - next_event_);
  }
  seconds_ += seconds_since(start);
}

void ShardedPass::before_block(int64_t block) { advance(block); }
void ShardedPass::blocks_done(int64_t block) { advance(2 * num_blocks_ + 1 - block); }

void ShardedPass::finish() {
  advance(2 * num_blocks_ + 1);
  const auto start = std::chrono::steady_clock::now();
  if (reduction_) reduction_->finish();
  for (Bucket& bucket : buckets_)
    if (bucket.pending) bucket.pending->wait();
  sharding_.drop_all(weights_);
  seconds_ += seconds_since(start);
}

}  // namespace mom::train
