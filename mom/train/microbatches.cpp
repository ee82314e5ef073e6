#include "mom/train/microbatches.h"

#include <torch/types.h>

#include <chrono>

#include "mom/base/error.h"
#include "mom/base/rounding.h"
#include "mom/base/stopwatch.h"
#include "mom/data/stretch.h"
#include "mom/models/counts.h"

namespace mom::train {
namespace {

bool is_power_of_two(int64_t value) { return value > 0 && (value & (value - 1)) == 0; }

// Process counts that can share out the microbatches.
std::string possible_sizes(int64_t microbatches, bool interleaved, int64_t sequence_ranks) {
  std::string sizes = std::to_string(sequence_ranks);
  for (int64_t size = 2; size <= microbatches; ++size)
    if (microbatches % size == 0 &&
        (is_power_of_two(interleaved ? size : microbatches / size) || size == microbatches))
      sizes += ", " + std::to_string(size * sequence_ranks);
  return sizes;
}

models::BlockCalls calls_of(Pass* pass, const nn::RelayPtr& relay) {
  if (!pass) return {{}, {}, relay};
  return {[pass](int64_t block) { pass->before_block(block); },
          [pass](int64_t block) { pass->blocks_done(block); }, relay};
}

}  // namespace

Division divide(const TrainConfig& train, int rank, int processes, int64_t threads) {
  const int64_t microbatches = train.microbatches, together = train.sequence_ranks;
  if (processes % together != 0)
    throw UserError(
        {"train.sequence_ranks = " + std::to_string(together), "a divisor of the number of processes",
         std::to_string(processes) + (processes == 1 ? " process" : " processes"),
         "start a multiple of " + std::to_string(together) + " processes, or set train.sequence_ranks=1"});
  const bool interleaved = train.shard == "all" && processes > 1;
  const int64_t shares = processes / together, own = microbatches / shares, share = rank / together;
  const bool fits = own * shares == microbatches &&
                    (interleaved ? own == 1 || is_power_of_two(shares) : is_power_of_two(own));
  if (shares > 1 && !fits) {
    const std::string unit =
        together == 1 ? "processes" : "groups of " + std::to_string(together) + " processes";
    throw UserError(
        {"train.microbatches = " + std::to_string(microbatches),
         interleaved ? "a multiple of the number of " + unit + ", which is a power of two"
                     : "a number that shares out evenly among the " + unit + ", with a power of two for each",
         std::to_string(processes) + " processes",
         "start " + possible_sizes(microbatches, interleaved, together) +
             " processes, or train another run with train.microbatches=" + std::to_string(shares)});
  }
  // One at a time where processes meet inside a microbatch.
  if (interleaved || together > 1)
    return {interleaved ? data::Share{share, own, shares} : data::Share{share * own, own}, 1, threads};
  return {{share * own, own}, std::min(threads, own), std::max<int64_t>(1, threads / own)};
}

void Microbatches::Part::append_to(std::vector<double>& numbers) const {
  for (const models::LossSum& of_modality : loss)
    numbers.insert(numbers.end(), {of_modality.sum, of_modality.count});
  for (const auto& [block, load] : experts) {
    const int64_t* choices = load.choices_ME.const_data_ptr<int64_t>();
    for (int64_t i = 0; i < load.choices_ME.numel(); ++i) numbers.push_back(static_cast<double>(choices[i]));
    numbers.insert(numbers.end(),
                   {static_cast<double>(load.num_tokens), static_cast<double>(load.num_choices),
                    load.num_dropped(), load.entropy_nats(), load.balance()});
  }
  numbers.insert(numbers.end(), {attended_pairs, forward_seconds, backward_seconds});
}

Microbatches::Part Microbatches::Part::read(const std::vector<double>& numbers, size_t& at,
                                            const Part& like) {
  Part part = like;
  for (models::LossSum& of_modality : part.loss) {
    of_modality.sum = numbers.at(at++);
    of_modality.count = numbers.at(at++);
  }
  for (auto& [block, load] : part.experts) {
    load.choices_ME = torch::empty_like(load.choices_ME);
    int64_t* choices = load.choices_ME.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < load.choices_ME.numel(); ++i) choices[i] = static_cast<int64_t>(numbers.at(at++));
    for (int64_t* count : {&load.num_tokens, &load.num_choices})
      *count = static_cast<int64_t>(numbers.at(at++));
    load.sums_3 = torch::tensor({numbers.at(at), numbers.at(at + 1), numbers.at(at + 2)}, torch::kFloat64);
    at += 3;
  }
  part.attended_pairs = numbers.at(at++);
  part.forward_seconds = numbers.at(at++);
  part.backward_seconds = numbers.at(at++);
  return part;
}

Microbatches::Microbatches(models::Model model, const models::Compute& compute, FlatParameters& parameters,
                           const Division& division, dist::Group& group, int sequence_ranks,
                           std::vector<Range> own)
    : group_(group),
      sequence_ranks_(sequence_ranks),
      parameters_(parameters),
      own_(std::move(own)),
      models_{model},
      workers_(division.at_once, division.threads_each) {
  if (own_.empty()) own_ = {{0, parameters.length()}};
  for (int64_t i = 1; i < division.at_once; ++i) {
    const nn::OnDevice computes(parameters.device());
    const nn::WithoutMemory shared;
    models::Model replica(model->spec());
    parameters.share_with(replica);
    models_.push_back(replica);
  }
  for (models::Model& each : models_) each->set_compute(compute);
}

at::Tensor Microbatches::zero_gradient() {
  at::Tensor gradient;
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      gradient = free_.back();
      free_.pop_back();
    }
  }
  if (!gradient.defined()) return parameters_.zeros();
  for (const Range& range : own_) gradient.narrow(0, range.begin, range.length).zero_();
  return gradient;
}

c10::intrusive_ptr<StretchRelay> Microbatches::relay_of(data::Batch& batch,
                                                        const models::ModelSpec& spec) const {
  if (sequence_ranks_ == 1) return {};
  batch = data::stretch_of(batch, models::latent_grids(spec, batch.routing), group_.rank() % sequence_ranks_,
                           sequence_ranks_);
  return c10::make_intrusive<StretchRelay>(group_, sequence_ranks_, batch);
}

Microbatches::Result Microbatches::run(const std::vector<data::Batch>& batches,
                                       const models::Objective& objective,
                                       const models::LossReport& step_terms, const BeginPass& begin_pass) {
  Result result;
  result.parts.resize(batches.size());
  std::vector<at::Tensor> sums(batches.size());
  nn::GradientTree tree(batches.size(), [this](const at::Tensor& into, const at::Tensor& other) {
    for (const Range& range : own_)
      into.narrow(0, range.begin, range.length).add_(other.narrow(0, range.begin, range.length));
  });
  const auto start = std::chrono::steady_clock::now();
  workers_.for_each(batches.size(), [&](size_t i, size_t worker) {
    models::Model& model = models_[worker];
    const auto begin = std::chrono::steady_clock::now();
    Part& part = result.parts[i];
    at::Tensor gradient = zero_gradient();
    parameters_.collect_gradients(*model, gradient);
    const std::unique_ptr<Pass> pass = begin_pass ? begin_pass(gradient) : nullptr;
    data::Batch batch = batches[i];
    const auto relay = relay_of(batch, model->spec());
    models::BatchLoss loss =
        objective(*model, batch, step_terms, models::Timesteps::kUniform, calls_of(pass.get(), relay));
    part.forward_seconds = seconds_since(begin);
    if (loss.total.requires_grad()) loss.total.backward();
    if (pass) pass->finish();
    if (relay) relay->finish(), result.relay_seconds += relay->seconds();  // one microbatch at a time
    part.loss = std::move(loss.terms);
    sums[i] = loss.sums_M;
    part.experts = std::move(loss.experts);
    part.attended_pairs = models::attended_pairs(model->spec(), batch.routing);
    for (at::Tensor& spent : tree.add(i, std::move(gradient))) {
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(spent));
    }
    part.backward_seconds = seconds_since(begin) - part.forward_seconds;
  });
  result.seconds = seconds_since(start);
  result.gradient = tree.sum();
  result.sums_PM = torch::stack(sums);
  free_.push_back(result.gradient);
  return result;
}

std::vector<models::LossReport> Microbatches::held_out(const std::vector<data::Batch>& batches,
                                                       const models::Objective& objective, size_t first,
                                                       size_t stride, const BeginPass& begin_pass) {
  std::vector<models::LossReport> losses(batches.size());
  const size_t end = round_up(batches.size(), stride);
  workers_.for_each(
      end,
      [&](size_t i, size_t worker) {
        const std::unique_ptr<Pass> pass = begin_pass ? begin_pass({}) : nullptr;
        const bool again = i >= batches.size();
        if (!again || sequence_ranks_ > 1) {
          data::Batch batch = again ? batches.back() : batches[i];
          const auto relay = relay_of(batch, models_[worker]->spec());
          const models::LossReport loss =
              models::held_out_loss(*models_[worker], objective, {batch}, calls_of(pass.get(), relay));
          if (relay) relay->finish();
          if (!again) losses[i] = loss;
        }
        if (pass) pass->finish();
      },
      first, stride);
  return losses;
}

}  // namespace mom::train
