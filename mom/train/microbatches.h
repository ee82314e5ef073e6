// Forward and backward over the microbatches of a step. Several are computed side by side where there are threads for
// it, each on threads of its own, whose number does not depend on what else runs: threads of a microbatch = threads of
// the step / microbatches of the step, at least 1. Whoever is idle takes
// the next microbatch (nn/side_by_side.h).
//
// Every microbatch has a gradient of its own. They are summed as a fixed tree (dist/tree_sum.h): (g0 + g1) + (g2 + g3).
// The bits of the sum depend neither on who computed what nor on how many did.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "mom/data/loader.h"
#include "mom/models/objective.h"
#include "mom/nn/side_by_side.h"
#include "mom/train/flat_parameters.h"
#include "mom/train/recipe.h"
#include "mom/train/stretch_relay.h"

namespace mom::train {

// How a step is shared out: the microbatches of a process, how many of them it computes at once, and threads for each. Of several
// sequence ranks, that many processes in a row have the same share, and of each microbatch one stretch (data/stretch.h).
struct Division {
  data::Share share;
  int64_t at_once, threads_each;
};
// Aligned blocks of a power of two, whose sum is a branch of the tree; or `interleaved`, where every process adds to each round of
// as many microbatches as there are processes, one at a time: microbatch i is of process i mod processes, and a round is the branch.
// `threads`: of the process. UserError where the microbatches cannot be shared out.
Division divide(const TrainConfig& train, int rank, int processes, int64_t threads);

// What a microbatch tells of its way through the network (ModelInput's calls), and is made to wait for.
class Pass {
 public:
  virtual ~Pass() = default;
  virtual void before_block(int64_t block) = 0;
  virtual void blocks_done(int64_t block) = 0;
  virtual void finish() = 0;  // behind it all
};

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
    std::vector<Part> parts;   // by microbatch; of losses only the counts
    at::Tensor sums_PM;        // f64: their losses' sums, on the device
    at::Tensor gradient;       // the sum, a row; valid until the next run
    double seconds = 0;        // of the wall clock
    double relay_seconds = 0;  // of them, waited for the states of other stretches
  };

  // `parameters` are those of `model`. Gradients are zeroed and added in the ranges `own`; none: everywhere. Of several
  // sequence ranks, whose processes are those of `group`, batches are whole and losses those of this process's stretch.
  Microbatches(models::Model model, const models::Compute& compute, FlatParameters& parameters,
               const Division& division, dist::Group& group, int sequence_ranks, std::vector<Range> own = {});

  // Begins the pass of a microbatch with that gradient, which is undefined where there is none; null: nobody asks.
  using BeginPass = std::function<std::unique_ptr<Pass>(const at::Tensor& gradient)>;
  // `step_terms`: counts of the whole step (models/objective.h).
  Result run(const std::vector<data::Batch>& batches, const models::Objective& objective,
             const models::LossReport& step_terms, const BeginPass& begin_pass = nullptr);
  // Held-out losses of batch `first`, first + stride, ...: by batch, without gradients. Passes beyond the last batch, up to as
  // many as a process with first = 0 has, are empty, or of several sequence ranks, which have to meet, those of the last batch again.
  std::vector<models::LossReport> held_out(const std::vector<data::Batch>& batches,
                                           const models::Objective& objective, size_t first, size_t stride,
                                           const BeginPass& begin_pass = nullptr);

 private:
  at::Tensor zero_gradient();  // of the ranges
  // What this process computes of a batch, and how it hears of the others' parts; null: it computes all of it.
  c10::intrusive_ptr<StretchRelay> relay_of(data::Batch& batch, const models::ModelSpec& spec) const;
  dist::Group& group_;
  int sequence_ranks_;
  FlatParameters& parameters_;
  std::vector<Range> own_;
  std::vector<models::Model> models_;  // one per worker, with shared weights
  std::mutex mutex_;
  std::vector<at::Tensor> free_;  // gradients
  nn::Workers workers_;
};

}  // namespace mom::train
