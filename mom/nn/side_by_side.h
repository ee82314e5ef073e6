// Independent pieces of a training step, computed side by side: microbatches of a model, parts of a codec's batch.
// Whoever is idle takes the next piece, so that a core shared with another process delays nobody for long, and no thread
// waits for another inside a layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace mom::nn {

// Threads that last as long as this; the thread that calls for_each is worker 0.
class Workers {
 public:
  Workers(int64_t count, int64_t threads_each);
  ~Workers();
  // body(piece, worker) for the pieces first, first + stride, ... below `end`, each once, with threads_each threads for its
  // operators. The first error is thrown here when all workers have ended.
  void for_each(size_t end, const std::function<void(size_t piece, size_t worker)>& body, size_t first = 0,
                size_t stride = 1);

 private:
  class Threads;
  std::unique_ptr<Threads> threads_;
};

// Sums the gradients of pieces as they come, each with its neighbour in the tree of dist/tree_sum.h: (g0 + g1) + (g2 + g3).
// The bits of the sum depend neither on who computed what nor on when.
class GradientTree {
 public:
  using Add = std::function<void(const at::Tensor& into, const at::Tensor& other)>;
  explicit GradientTree(size_t num_pieces, Add add = {});  // add: everything, unless told otherwise
  // Takes the gradient of a piece and may overwrite it, from any thread. Returns those that the sum needs no more.
  std::vector<at::Tensor> add(size_t piece, at::Tensor gradient);
  const at::Tensor& sum() const { return sum_; }  // once all were added

 private:
  Add add_;
  std::vector<size_t> widths_;  // of the levels, from the pieces up
  std::mutex mutex_;
  std::map<std::pair<size_t, size_t>, at::Tensor> waiting_;  // by level and index
  at::Tensor sum_;
};

}  // namespace mom::nn
