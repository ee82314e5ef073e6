// A run: model, data, optimizer and counters, one step at a time. All that changes is in here and in a checkpoint.
//
// Several processes train one model as one would: each walks through all data, computes its own microbatches of the step and
// owns a part of weights and optimizer (sharding.h); it has copies of the others' weights all the time, or while it needs
// them (passes.h). Losses, times and the wish to stop travel in one small message per step, so that all decide alike. With
// train.sequence_ranks, that many processes in a row share each microbatch (stretch_relay.h).
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
#include "mom/train/row_file.h"
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
  // Not with shard = "all" and several processes, where no process has a whole model.
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

  // Collective. Files are written and read by rank 0. DivergedError, and nothing is written, where a weight or a moment is
  // not finite.
  void save(const Path& run);
  void resume(const Path& checkpoint);
  // The batches of the next steps are left out.
  void skip_batches(int64_t steps);

 private:
  struct Prepared {
    data::Loader::Step step;
    Json position;  // of the data, after it
  };
  // The step's microbatches, forward and back: the sum of the gradient, in the own ranges of all processes.
  Microbatches::Result pass(const std::vector<data::Batch>& batches, const models::LossReport& terms,
                            StepReport& report);
  Microbatches::Result pass_sharded(const std::vector<data::Batch>& batches, const models::LossReport& terms,
                                    StepReport& report);
  // What all processes know after the gradient: microbatches in their order, and the gradient's norm.
  void share(const Microbatches::Result& result, StepReport& report);
  // Frozen weights have no gradient: they take no part in its norm.
  void drop_frozen(const at::Tensor& gradient);
  void check_finite();
  void initialise();
  void start_from(const Path& model, const data::EncodedDataset& dataset);
  Path shared_folder(const Path& of_rank_0);
  void check_codecs(const Path& checkpoint);
  void restore_counters(const Json& state, const std::string& where);
  void prepare_next();
  const Prepared& upcoming();  // the next step, prepared
  void forget_upcoming();      // it will be another one
  // Every process hears what the others read in the next step.
  void tell_rows_read();
  // The optimizer's step on the own ranges. Where every process keeps all weights, the others' begin to arrive.
  void update(const at::Tensor& gradient, const StepReport& report);
  void spread();  // they arrive after the own ranges have been set
  // Waits for those of the last update, which arrive while the next step begins.
  void settle();
  bool shards_all() const { return recipe_.train.shard == "all" && group_->size() > 1; }
  Recipe recipe_;
  std::shared_ptr<dist::Group> group_;
  models::Model model_;
  Division division_;
  models::Objective objective_;
  data::Loader loader_;               // touched by the preparing thread only, while there is one
  std::future<Prepared> next_;        // the step after this one ...
  std::optional<Prepared> upcoming_;  // ... where it has been looked at
  Json data_position_;                // after the last step that was taken
  dist::ShardPlan plan_;
  FlatParameters parameters_;
  Paces paces_;
  Sharding sharding_;
  Microbatches microbatches_;
  AdamW optimizer_;
  std::optional<TableRows> table_;     // of several processes, where it is read for tokens alone
  std::optional<RowsRead> rows_read_;  // in the next step, where that is known
  std::optional<Spread> spread_;
  std::optional<WeightAverage> average_;
  std::vector<models::TokenFlops> flops_per_token_;
  std::vector<int64_t> tokens_seen_;
  double pairs_seen_ = 0;  // attention: positions and positions they looked at
  int64_t steps_done_ = 0;
};

}  // namespace mom::train
