// Forward and backward over the microbatches of a step. Several are computed side by side where there are threads for
// it, each on threads of its own, whose number does not depend on what else runs: threads of a microbatch = threads of
// the step / microbatches of the step, at least 1. Whoever is idle takes the next microbatch, so that a core shared with another process
// delays nobody for long, and no thread waits for another inside a layer.
//
// Every microbatch has a gradient of its own. They are summed as a fixed tree (dist/tree_sum.h): (g0 + g1) + (g2 + g3).
// The bits of the sum depend neither on who computed what nor on how many did.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <mutex>
#include <vector>

#include "mom/data/batch.h"
#include "mom/models/objective.h"
#include "mom/nn/side_by_side.h"
#include "mom/train/flat_parameters.h"

namespace mom::train {

// How a step is shared out: the microbatches of rank `rank` among `processes`, [first, last), how many of them this process
// computes at once, and threads for each.
struct Division {
  int64_t first, last, at_once, threads_each;
};
// UserError where they cannot be shared out.
Division divide(int64_t microbatches, int rank, int processes);

class Microbatches {
 public:
  struct Part {  // of one microbatch
    models::LossReport loss;
    nn::ExpertReport experts;
    double attended_pairs = 0;
    double forward_seconds = 0, backward_seconds = 0;
    // As numbers, for other processes: as many for each microbatch of a model.
    void append_to(std::vector<double>& numbers) const;
    // Reads what append_to wrote, from numbers[at] on; `like` is a part of the same model.
    static Part read(const std::vector<double>& numbers, size_t& at, const Part& like);
  };
  struct Result {
    std::vector<Part> parts;  // by microbatch
    at::Tensor gradient;      // the sum, of the parameters' layout; valid until the next run
    double seconds = 0;       // of the wall clock
  };

  // `at_once` microbatches are computed side by side, with threads_each threads each. `parameters` are those of `model`.
  Microbatches(models::Model model, const models::Compute& compute, FlatParameters& parameters,
               int64_t at_once, int64_t threads_each);

  struct Calls {
    // Before weights up to element `end` are read, by any worker.
    std::function<void(int64_t end)> before_reading;
    // Where there is one microbatch: in its backward, with its gradient and the element from which on that is complete.
    std::function<void(const at::Tensor& gradient, int64_t begin)> complete;
  };
  // `step_terms`: counts of the whole step (models/objective.h).
  Result run(const std::vector<data::Batch>& batches, const models::Objective& objective,
             const models::LossReport& step_terms, const Calls& calls = {});
  // Held-out losses of batch `first`, first + stride, ...: by batch, without gradients.
  std::vector<models::LossReport> held_out(const std::vector<data::Batch>& batches,
                                           const models::Objective& objective, size_t first, size_t stride);

 private:
  at::Tensor zero_gradient();
  FlatParameters& parameters_;
  std::vector<models::Model> models_;  // one per worker, with shared weights
  std::mutex mutex_;
  std::vector<at::Tensor> free_;  // gradients
  nn::Workers workers_;
};

}  // namespace mom::train
