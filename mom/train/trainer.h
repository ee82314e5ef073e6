// A run: model, data, optimizer and counters, one step at a time. All that changes is in here and in a checkpoint.
//
// Several processes train one model as one would: each has all weights, walks through all data, computes its own block of
// the step's microbatches and owns a part of the optimizer (sharding.h). Losses, times and the wish to stop travel in one
// small message per step, so that all decide alike.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "mom/data/loader.h"
#include "mom/models/counts.h"
#include "mom/models/model.h"
#include "mom/models/objective.h"
#include "mom/train/average.h"
#include "mom/train/microbatches.h"
#include "mom/train/optimizer.h"
#include "mom/train/recipe.h"
#include "mom/train/sharding.h"

namespace mom::train {

struct StepReport {
  int64_t step = 0;         // steps done, this one included
  models::LossReport loss;  // by modality
  double total_loss = 0, grad_norm = 0, learning_rate = 0;
  // data: waited for the batch, which is prepared beside the step before.
  double seconds = 0, data_seconds = 0, forward_seconds = 0, backward_seconds = 0, optimizer_seconds = 0;
  double cpu_seconds = 0;    // of all threads, also of those that spin while they wait
  int64_t num_tokens = 0;    // of this step
  nn::ExpertReport experts;  // backbones with experts: how their routers spread this step, by block
  bool stop = false;         // a process was told to stop (base/signals.h)
  // Several processes: time in exchanges, bytes this one sent, and which one computed longest.
  double communication_seconds = 0, bytes_sent = 0;
  int slowest_rank = 0;
};

class Trainer {
 public:
  // `group`: the processes, of which this is one; null: alone. UserError where the microbatches cannot be shared out.
  Trainer(const Recipe& recipe, std::shared_ptr<const data::EncodedDataset> dataset,
          std::shared_ptr<dist::Group> group = nullptr);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // One optimizer step. DivergedError, before anything is updated, when loss or gradient is not finite.
  StepReport step();

  int64_t steps_done() const { return steps_done_; }
  bool finished() const { return steps_done_ >= recipe_.train.steps; }
  models::ModelImpl& model();
  const models::ModelSpec& spec() const { return model_->spec(); }
  int num_processes() const { return group_->size(); }
  FlatParameters& parameters();
  // Mean losses of held-out batches; of the average of the weights where there is one.
  models::LossReport held_out_loss(const std::vector<data::Batch>& batches);
  // The average of the weights, where the recipe asks for one.
  WeightAverage* average() { return average_ ? &*average_ : nullptr; }
  const models::Objective& objective() const { return objective_; }
  const Recipe& recipe() const { return recipe_; }
  // Since the first step: tokens by modality and training FLOPs (three forwards).
  const std::vector<int64_t>& tokens_seen() const { return tokens_seen_; }
  double flops() const;

  // Collective. Files are written and read by rank 0.
  void save(const Path& run);
  void resume(const Path& checkpoint);

 private:
  struct Prepared {
    data::Loader::Step step;
    Json position;  // of the data, after it
  };
  // What all processes know after the gradient: microbatches in their order, and the gradient's norm.
  void share(const Microbatches::Result& result, StepReport& report);
  void check_codecs(const Path& checkpoint);
  void restore_counters(const Json& state, const std::string& where);
  void prepare_next();
  // Waits for the other processes' part of the last update, which arrives while the next step begins.
  void settle();
  Recipe recipe_;
  std::shared_ptr<dist::Group> group_;
  Division division_;
  models::Model model_;
  models::Objective objective_;
  data::Loader loader_;         // touched by the preparing thread only, while there is one
  std::future<Prepared> next_;  // the step after this one
  Json data_position_;          // after the last step that was taken
  dist::ShardPlan plan_;
  FlatParameters parameters_;
  Sharding sharding_;
  Microbatches microbatches_;
  AdamW optimizer_;
  std::optional<Sharding::Spread> spread_;
  std::optional<WeightAverage> average_;
  std::vector<models::TokenFlops> flops_per_token_;
  std::vector<int64_t> tokens_seen_;
  double pairs_seen_ = 0;  // attention: positions and positions they looked at
  int64_t steps_done_ = 0;
};

}  // namespace mom::train
