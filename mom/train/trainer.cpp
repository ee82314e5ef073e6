#include "mom/train/trainer.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cmath>

#include "mom/base/error.h"
#include "mom/base/machine.h"
#include "mom/models/convert.h"
#include "mom/ops/backend.h"
#include "mom/train/checkpoint.h"

namespace mom::train {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

models::Model new_model(const Recipe& recipe, const data::EncodedDataset& dataset) {
  models::Model model(make_spec(recipe, dataset));
  models::initialise(*model, static_cast<uint64_t>(recipe.seed));
  if (!recipe.train.start_from.empty())
    models::start_from(*model, find_model_folder(recipe.train.start_from), recipe.train.start_from_differing);
  return model;
}

// Threads and microbatches of a step: as many of these side by side as there are threads, and threads shared out evenly.
struct Division {
  int64_t at_once, threads_each;
};
Division divide(int64_t threads, int64_t microbatches) {
  return {std::min(threads, microbatches), std::max<int64_t>(1, threads / microbatches)};
}

}  // namespace

Trainer::Trainer(const Recipe& recipe, std::shared_ptr<const data::EncodedDataset> dataset)
    : recipe_(recipe),
      model_(new_model(recipe, *dataset)),
      objective_(recipe.objective, model_->spec().vocabulary),
      loader_(dataset, recipe.data, recipe.model.patch_size, static_cast<uint64_t>(recipe.seed)),
      parameters_(model_),
      microbatches_(model_,
                    {recipe.train.precision == "bfloat16" ? at::kBFloat16 : at::kFloat, recipe.train.recompute},
                    parameters_, divide(at::get_num_threads(), recipe.train.microbatches).at_once,
                    divide(at::get_num_threads(), recipe.train.microbatches).threads_each),
      optimizer_(parameters_, recipe.train),
      flops_per_token_(models::flops_per_token(model_->spec())),
      tokens_seen_(flops_per_token_.size(), 0) {
  ops::set_backend(ops::parse_backend(recipe.model.scan_backend));
  if (recipe.train.ema_decay > 0) average_.emplace(parameters_, recipe.train.ema_decay);
  data_position_ = loader_.state();
}

void Trainer::prepare_next() {
  next_ = std::async(std::launch::async, [this] {
    Prepared prepared;
    prepared.batches = loader_.next(recipe_.train.microbatches);
    prepared.position = loader_.state();
    return prepared;
  });
}

StepReport Trainer::step() {
  const auto start = std::chrono::steady_clock::now();
  const double cpu_start = processor_seconds();
  auto part = start;
  auto seconds_of_part = [&] {  // since the last part ended
    const double seconds = seconds_since(part);
    part = std::chrono::steady_clock::now();
    return seconds;
  };
  StepReport report;
  if (!next_.valid()) prepare_next();
  const Prepared prepared = next_.get();
  const std::vector<data::Batch>& batches = prepared.batches;
  if (steps_done_ + 1 < recipe_.train.steps) prepare_next();
  report.data_seconds = seconds_of_part();
  models::LossReport terms;
  for (const data::Batch& batch : batches) models::add(terms, models::count_terms(batch, model_->spec()));
  const Microbatches::Result result = microbatches_.run(batches, objective_, terms);
  for (const Microbatches::Part& of_batch : result.parts) {
    models::add(report.loss, of_batch.loss);
    for (const auto& [block, load] : of_batch.experts) report.experts[block].add(load);
    report.forward_seconds += of_batch.forward_seconds;
    report.backward_seconds += of_batch.backward_seconds;
  }
  // Of several side by side, their shares of the time that passed.
  const double passed = result.seconds / (report.forward_seconds + report.backward_seconds);
  report.forward_seconds *= passed;
  report.backward_seconds *= passed;
  for (const data::Batch& batch : batches)
    for (size_t m = 0; m < tokens_seen_.size(); ++m) report.num_tokens += batch.num_tokens[m];
  seconds_of_part();
  report.total_loss = objective_.combined_loss(report.loss);
  report.grad_norm = 0;
  for (const double squares : chunk_squares(result.gradient, {0, parameters_.length()}))
    report.grad_norm += squares;
  report.grad_norm = std::sqrt(report.grad_norm);
  report.learning_rate = learning_rate_at(recipe_.train, steps_done_);
  if (!std::isfinite(report.total_loss) || !std::isfinite(report.grad_norm))
    throw DivergedError(
        "step " + std::to_string(steps_done_ + 1) + ": expected a finite loss and gradient, found loss " +
        std::to_string(report.total_loss) + ", gradient norm " + std::to_string(report.grad_norm) +
        "; nothing was updated: lower train.learning_rate and start again, or resume from the last "
        "checkpoint");
  optimizer_.step(result.gradient, report.learning_rate, report.grad_norm);
  data_position_ = prepared.position;
  report.step = ++steps_done_;
  if (average_) average_->update(steps_done_);
  for (const data::Batch& batch : batches) {
    for (size_t m = 0; m < tokens_seen_.size(); ++m) tokens_seen_[m] += batch.num_tokens[m];
    pairs_seen_ += models::attended_pairs(model_->spec(), batch.routing);
  }
  report.optimizer_seconds = seconds_of_part();
  report.seconds = seconds_since(start);
  report.cpu_seconds = processor_seconds() - cpu_start;
  return report;
}

models::LossReport Trainer::held_out_loss(const std::vector<data::Batch>& batches) {
  std::optional<WeightAverage::InUse> averaged;
  if (average_) averaged.emplace(*average_);
  models::LossReport sum(model_->spec().modalities.size());
  for (const models::LossReport& loss : microbatches_.held_out(batches, objective_, 0, 1)) models::add(sum, loss);
  return sum;
}

double Trainer::flops() const {
  double flops = 3 * flops_per_token_[0].pair * pairs_seen_;
  for (size_t m = 0; m < tokens_seen_.size(); ++m)
    flops += 3 * flops_per_token_[m].total() * static_cast<double>(tokens_seen_[m]);
  return flops;
}

void Trainer::save(const Path& run) {
  OrderedJson state;
  state["step"] = steps_done_;
  state["tokens"] = tokens_seen_;
  state["attended_pairs"] = pairs_seen_;
  state["data"] = data_position_;
  save_checkpoint(run, steps_done_, *model_, optimizer_, average(), state, recipe_.checkpoint.keep);
}

// The data may have been encoded anew, by other codecs, under the same path.
void Trainer::check_codecs(const Path& checkpoint) {
  const Path path = checkpoint / "config.json";
  const models::ModelSpec then = models::spec_from_json(read_json(path), path.string());
  models::check_same_codecs(then, model_->spec().codec_hashes, recipe_.data.path);
  if (then.vocabulary.to_json() != model_->spec().vocabulary.to_json())
    throw InputError({recipe_.data.path, "the joint vocabulary " + then.vocabulary.to_json().dump(),
                      model_->spec().vocabulary.to_json().dump(),
                      "encode the documents with the same codecs"});
}

void Trainer::resume(const Path& checkpoint) {
  check_codecs(checkpoint);
  const Json state = load_checkpoint(checkpoint, *model_, optimizer_, average());
  const std::string where = (checkpoint / "state.json").string();
  steps_done_ = json_int(state, "step", where);
  if (!state.contains("tokens") || !state["tokens"].is_array() ||
      state["tokens"].size() != tokens_seen_.size())
    throw InputError({where, "\"tokens\" for " + std::to_string(tokens_seen_.size()) + " modalities",
                      "something else", ""});
  tokens_seen_ = state["tokens"].get<std::vector<int64_t>>();
  pairs_seen_ = state.value("attended_pairs", 0.0);
  loader_.restore(state.at("data"));
  data_position_ = loader_.state();
}

}  // namespace mom::train
