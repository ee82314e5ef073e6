#include "mom/train/trainer.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "mom/base/error.h"
#include "mom/base/machine.h"
#include "mom/base/rounding.h"
#include "mom/base/signals.h"
#include "mom/base/stopwatch.h"
#include "mom/models/convert.h"
#include "mom/ops/backend.h"
#include "mom/ops/device.h"
#include "mom/train/checkpoint.h"
#include "mom/train/passes.h"

namespace mom::train {
namespace {

// Without memory: FlatParameters has it.
models::Model new_model(const Recipe& recipe, const data::EncodedDataset& dataset, const dist::Group& group) {
  const nn::OnDevice computes(ops::use_device(recipe.train.device, group.local_rank()));
  const nn::WithoutMemory in_one_row;
  return models::Model(make_spec(recipe, dataset));
}

}  // namespace

Trainer::Trainer(const Recipe& recipe, std::shared_ptr<const data::EncodedDataset> dataset,
                 std::shared_ptr<dist::Group> group)
    : recipe_(recipe),
      group_(group ? std::move(group) : std::shared_ptr<dist::Group>(dist::alone())),
      model_(new_model(recipe, *dataset, *group_)),
      division_(divide(recipe.train, group_->rank(), group_->size(),
                       model_->device().is_cpu() ? at::get_num_threads() : 1)),
      objective_(recipe.objective, model_->spec().vocabulary),
      loader_(dataset, recipe.data, recipe.model.patches(), static_cast<uint64_t>(recipe.seed)),
      plan_(shard_plan(FlatParameters::length_of(*model_), group_->size(), shards_all(),
                       FlatParameters::edge_of(*model_))),
      parameters_(model_, plan_.padded()),
      paces_(recipe.train, parameters_, *model_),
      sharding_(*group_, plan_,
                Transit(recipe.train.precision == "bfloat16" ? parameters_.factors() : std::vector<Range>())),
      microbatches_(
          model_, {recipe.train.precision == "bfloat16" ? at::kBFloat16 : at::kFloat, recipe.train.recompute},
          parameters_, division_, *group_, static_cast<int>(recipe.train.sequence_ranks),
          shards_all() ? sharding_.own() : std::vector<Range>()),
      optimizer_(parameters_, recipe.train, sharding_.own(), paces_.learning()),
      flops_per_token_(models::flops_per_token(model_->spec())),
      tokens_seen_(flops_per_token_.size(), 0) {
  if (group_->size() > 1 && !model_->device().is_cpu() && (shards_all() || recipe.train.sequence_ranks > 1))
    throw UserError({"train.device", "cpu with train.shard = \"all\" or train.sequence_ranks",
                     recipe.train.device, "both give back and exchange host memory"});
  ops::set_backend(ops::parse_backend(recipe.model.scan_backend));
  parameters_.freeze(paces_.frozen_names());
  // Rows are packed one by one, which on a device costs more than it saves.
  if (group_->size() > 1 && !shards_all() && !model_->spec().tie_word_embeddings && model_->device().is_cpu())
    table_.emplace(parameters_.range_of(model_->embeddings()), model_->spec().d_model);
  initialise();
  if (!recipe.train.start_from.empty()) start_from(find_model_folder(recipe.train.start_from), *dataset);
  if (recipe.train.ema_decay > 0) average_.emplace(parameters_, recipe.train.ema_decay, sharding_.own());
  data_position_ = loader_.state();
}

void Trainer::initialise() {
  if (!shards_all()) return models::initialise(*model_, static_cast<uint64_t>(recipe_.seed));
  const float* const first = parameters_.values().const_data_ptr<float>();
  models::initialise(*model_, static_cast<uint64_t>(recipe_.seed), [&](const at::Tensor& parameter) {
    sharding_.drop(parameters_.values(), Range{parameter.const_data_ptr<float>() - first, parameter.numel()});
  });
  sharding_.drop_all(parameters_.values());
}

void Trainer::start_from(const Path& model, const data::EncodedDataset& dataset) {
  if (group_->rank() == 0)
    models::start_from(*model_, model, recipe_.train.start_from_differing,
                       static_cast<uint64_t>(recipe_.seed),
                       dataset.folder / "codecs" / dataset.vocabulary.text()->name);
  for (size_t i = 0; i < parameters_.names().size(); ++i) {
    const Range range = parameters_.range_of(i);
    sharding_.scatter(parameters_.values().narrow(0, range.begin, range.length), range, parameters_.values());
  }
  if (shards_all()) sharding_.drop_all(parameters_.values());
  spread();
}

const Trainer::Prepared& Trainer::upcoming() {
  if (!upcoming_) {
    if (!next_.valid()) prepare_next();
    upcoming_ = next_.get();
  }
  return *upcoming_;
}

void Trainer::tell_rows_read() {
  rows_read_ = table_->read_by_all(group_->gather_doubles(table_->read_by(upcoming().step.batches)), 0);
}

void Trainer::prepare_next() {
  next_ = std::async(std::launch::async, [this] {
    Prepared prepared;
    prepared.step = loader_.next(recipe_.train.microbatches, division_.share);
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
  if (table_ && !rows_read_) tell_rows_read();
  upcoming();
  const Prepared prepared = *std::exchange(upcoming_, std::nullopt);
  if (steps_done_ + 1 < recipe_.train.steps) prepare_next();
  report.data_seconds = seconds_of_part();
  models::LossReport terms;
  for (const data::BatchCounts& counts : prepared.step.counts)
    models::add(terms, models::count_terms(counts, model_->spec()));
  const int64_t sent = group_->bytes_sent();
  const Microbatches::Result result = shards_all() ? pass_sharded(prepared.step.batches, terms, report)
                                                   : pass(prepared.step.batches, terms, report);
  seconds_of_part();
  drop_frozen(result.gradient);
  share(result, report);
  report.total_loss = objective_.combined_loss(report.loss);
  report.learning_rate = learning_rate_at(recipe_.train, steps_done_);
  if (!std::isfinite(report.total_loss) || !std::isfinite(report.grad_norm))
    throw DivergedError(
        "step " + std::to_string(steps_done_ + 1) + ": expected a finite loss and gradient, found loss " +
        std::to_string(report.total_loss) + ", gradient norm " + std::to_string(report.grad_norm) +
        "; nothing was updated: lower train.learning_rate and start again, or resume from the last "
        "checkpoint");
  update(result.gradient, report);
  report.optimizer_seconds = seconds_of_part();
  data_position_ = prepared.position;
  report.step = ++steps_done_;
  if (average_) average_->update(steps_done_);
  for (const data::BatchCounts& counts : prepared.step.counts)
    for (size_t m = 0; m < tokens_seen_.size(); ++m) {
      tokens_seen_[m] += counts.num_tokens[m];
      report.num_tokens += counts.num_tokens[m];
    }
  report.bytes_sent = static_cast<double>(group_->bytes_sent() - sent);
  report.optimizer_seconds += seconds_of_part();
  report.seconds = seconds_since(start);
  report.cpu_seconds = processor_seconds() - cpu_start;
  return report;
}

void Trainer::update(const at::Tensor& gradient, const StepReport& report) {
  if (!shards_all()) spread_.emplace(sharding_, parameters_.values(), rows_read_);
  optimizer_.step(gradient, report.learning_rate, report.grad_norm, [this](size_t bucket) {
    if (spread_) spread_->start(static_cast<int64_t>(bucket));
  });
}

void Trainer::drop_frozen(const at::Tensor& gradient) {
  for (const Range& frozen : paces_.frozen())
    for (const Range& own : sharding_.own()) {
      const Range both = common(frozen, own);
      if (both.length > 0) gradient.narrow(0, both.begin, both.length).zero_();
    }
}

Microbatches::Result Trainer::pass(const std::vector<data::Batch>& batches, const models::LossReport& terms,
                                   StepReport& report) {
  if (group_->size() == 1) return microbatches_.run(batches, objective_, terms);
  const RowsRead* const rows = rows_read_ ? &*rows_read_ : nullptr;
  std::optional<Reduction> reduction;
  Microbatches::Result result =
      microbatches_.run(batches, objective_, terms, [&](const at::Tensor& gradient) {
        const bool alone = batches.size() == 1;
        if (alone)
          reduction.emplace(sharding_, gradient, /*of_one_microbatch=*/true, /*keep_own=*/false, rows);
        return std::make_unique<ReplicatedPass>(parameters_, spread_ ? &*spread_ : nullptr,
                                                alone ? &*reduction : nullptr);
      });
  if (!reduction)
    reduction.emplace(sharding_, result.gradient, /*of_one_microbatch=*/false, /*keep_own=*/false, rows);
  reduction->finish();
  settle();
  report.communication_seconds = reduction->seconds() + (spread_ ? spread_->seconds() : 0);
  return result;
}

Microbatches::Result Trainer::pass_sharded(const std::vector<data::Batch>& batches,
                                           const models::LossReport& terms, StepReport& report) {
  return microbatches_.run(batches, objective_, terms, [&](const at::Tensor& gradient) {
    return std::make_unique<ShardedPass>(sharding_, parameters_, parameters_.values(), gradient,
                                         report.communication_seconds);
  });
}

void Trainer::share(const Microbatches::Result& result, StepReport& report) {
  // The step's one wait for the device: losses, the squares of the gradient, and how experts were chosen.
  std::vector<at::Tensor> numbers{result.sums_PM};
  for (const Range& range : sharding_.own()) numbers.push_back(chunk_squares(result.gradient, range));
  const size_t squares_end = numbers.size();
  for (const Microbatches::Part& part : result.parts)
    for (const auto& [block, load] : part.experts)
      numbers.insert(numbers.end(), {load.choices_ME, load.sums_3});
  numbers = ops::on_host(numbers);
  const double* sum = numbers[0].const_data_ptr<double>();
  size_t of_experts = squares_end;
  std::vector<Microbatches::Part> own_parts = result.parts;
  for (Microbatches::Part& part : own_parts) {
    for (models::LossSum& of_modality : part.loss) of_modality.sum = *sum++;
    for (auto& [block, load] : part.experts)
      load.choices_ME = numbers[of_experts++], load.sums_3 = numbers[of_experts++];
  }
  // Of this process: the wish to stop, how long it computed, its microbatches, the squares of its part of the gradient.
  std::vector<double> mine{
      StopSignals::received() != 0 ? 1.0 : 0.0,
      result.seconds - result.relay_seconds - (shards_all() ? report.communication_seconds : 0)};
  for (const Microbatches::Part& part : own_parts) part.append_to(mine);
  // ... and, where it has looked ahead, what it reads of the table.
  const size_t rows_at = mine.size();
  if (table_ && next_.valid()) {
    const std::vector<double> rows = table_->read_by(upcoming().step.batches);
    mine.insert(mine.end(), rows.begin(), rows.end());
  }
  const size_t squares_at = mine.size();
  for (size_t i = 1; i < squares_end; ++i) {
    const double* const squares = numbers[i].const_data_ptr<double>();
    mine.insert(mine.end(), squares, squares + numbers[i].numel());
  }
  const std::vector<std::vector<double>> all = group_->gather_doubles(mine);
  rows_read_.reset();
  if (rows_at < squares_at) rows_read_ = table_->read_by_all(all, rows_at);
  std::vector<std::vector<Microbatches::Part>> parts;  // by rank
  std::vector<std::vector<double>> squares;
  double longest = 0;
  for (size_t rank = 0; rank < all.size(); ++rank) {
    report.stop |= all[rank][0] != 0;
    if (all[rank][1] > longest) {
      longest = all[rank][1];
      report.slowest_rank = static_cast<int>(rank);
    }
    size_t at = 2;
    parts.emplace_back();
    for (const Microbatches::Part& like : own_parts)
      parts.back().push_back(Microbatches::Part::read(all[rank], at, like));
    squares.emplace_back(all[rank].begin() + static_cast<std::ptrdiff_t>(squares_at), all[rank].end());
  }
  const data::Share& share = division_.share;
  const int64_t together = recipe_.train.sequence_ranks;
  for (int64_t i = 0; i < recipe_.train.microbatches; ++i) {
    const int64_t owner = share.stride > 1 ? i % share.stride : i / share.count,
                  number = share.stride > 1 ? i / share.stride : i % share.count;
    for (int64_t rank = owner * together; rank < (owner + 1) * together; ++rank) {
      const Microbatches::Part& part = parts[static_cast<size_t>(rank)][static_cast<size_t>(number)];
      models::add(report.loss, part.loss);
      for (const auto& [block, load] : part.experts) report.experts[block].add(load);
      pairs_seen_ += part.attended_pairs;
    }
  }
  // Of microbatches side by side, their shares of the time that passed in this process.
  double forward = 0, backward = 0;
  for (const Microbatches::Part& part : result.parts)
    forward += part.forward_seconds, backward += part.backward_seconds;
  report.forward_seconds = result.seconds * forward / (forward + backward);
  report.backward_seconds = result.seconds - report.forward_seconds;
  report.communication_seconds += result.relay_seconds;
  report.grad_norm = std::sqrt(sharding_.sum_of_chunks(squares));
}

Trainer::~Trainer() {
  try {
    settle();  // nothing may arrive in memory that is gone
  } catch (const std::exception&) {
    // the exchange has failed, and somebody has been told
  }
}

void Trainer::spread() {
  if (!shards_all()) spread_.emplace(sharding_, parameters_.values()).start_all();
}

void Trainer::settle() {
  if (spread_) spread_->finish();
}

models::ModelImpl& Trainer::model() {
  settle();
  return *model_;
}

FlatParameters& Trainer::parameters() {
  settle();
  return parameters_;
}

models::LossReport Trainer::held_out_loss(const std::vector<data::Batch>& batches) {
  settle();
  const at::Tensor& weights = average_ ? average_->values() : parameters_.values();
  const bool others_average = average_ && group_->size() > 1 && !shards_all();
  if (others_average) Spread(sharding_, weights).start_all().finish();
  std::optional<WeightAverage::InUse> averaged;
  if (average_) averaged.emplace(*average_);
  // Batch i is of the process i mod `size`, or of as many as share a batch's sequences.
  const auto together = static_cast<size_t>(recipe_.train.sequence_ranks),
             rank = static_cast<size_t>(group_->rank()) / together,
             size = static_cast<size_t>(group_->size()) / together;
  const size_t modalities = model_->spec().modalities.size(), rounds = ceil_div(batches.size(), size);
  double seconds = 0;
  Microbatches::BeginPass sharded;
  if (shards_all())
    sharded = [&](const at::Tensor& none) {
      return std::make_unique<ShardedPass>(sharding_, parameters_, weights, none, seconds);
    };
  const std::vector<models::LossReport> own =
      microbatches_.held_out(batches, objective_, rank, size, sharded);
  if (others_average) sharding_.drop_all(weights);
  // Sums are in the order of the batches, and of their stretches.
  std::vector<double> mine;
  for (size_t round = 0; round < rounds; ++round) {
    const size_t i = round * size + rank;
    for (size_t m = 0; m < modalities; ++m) {
      const models::LossSum loss = i < batches.size() ? own[i][m] : models::LossSum{};
      mine.insert(mine.end(), {loss.sum, loss.count});
    }
  }
  const std::vector<std::vector<double>> all = group_->gather_doubles(mine);
  models::LossReport sum(modalities);
  for (size_t i = 0; i < batches.size(); ++i)
    for (size_t stretch = 0; stretch < together; ++stretch)
      for (size_t m = 0; m < modalities; ++m) {
        const double* loss = &all[i % size * together + stretch][(i / size * modalities + m) * 2];
        sum[m].add({loss[0], loss[1]});
      }
  return sum;
}

double Trainer::flops() const {
  double flops = 3 * flops_per_token_[0].pair * pairs_seen_;
  for (size_t m = 0; m < tokens_seen_.size(); ++m)
    flops += 3 * flops_per_token_[m].total() * static_cast<double>(tokens_seen_[m]);
  return flops;
}

// Rank 0's folder, which is not published yet, as all processes see it. It is known by a file that rank 0 has put there.
Path Trainer::shared_folder(const Path& of_rank_0) {
  const Path folder =
      group_->gather_strings(of_rank_0.empty() ? "" : std::filesystem::absolute(of_rank_0).string())[0];
  std::string missing;
  if (!std::filesystem::exists(folder / "config.json")) missing = std::to_string(group_->rank());
  for (const std::string& rank : group_->gather_strings(missing))
    if (!rank.empty())
      throw UserError({"checkpoint.files", "whole, where processes do not share the disk of the run",
                       "per_process, and rank " + rank + " does not see " + folder.string(),
                       "set checkpoint.files=whole, or train into a folder that all of them see"});
  return folder;
}

void Trainer::check_finite() {
  const AdamW::State& moments = optimizer_.state();
  double bad = 0;
  for (const at::Tensor& row : {parameters_.values(), moments.exp_avg, moments.exp_avg_sq,
                                average_ ? average_->values() : at::Tensor()})
    for (const Range& own : sharding_.own())
      if (row.defined())
        bad += static_cast<double>(chunk_squares(row, own).isfinite().logical_not().sum().item<int64_t>());
  for (const std::vector<double>& of_rank : group_->gather_doubles({bad})) bad += of_rank[0];
  if (bad > 0)
    throw DivergedError("step " + std::to_string(steps_done_) +
                        ": expected finite weights and moments, found others; nothing was saved: lower "
                        "train.learning_rate and start again, or resume from the last checkpoint");
}

void Trainer::save(const Path& run) {
  settle();
  check_finite();
  // The others wait for rank 0 to write.
  const auto timeout = group_->timeout();
  constexpr double kBytesPerSecond = 20e6;
  group_->set_timeout(timeout + std::chrono::seconds(static_cast<int64_t>(
                                    16.0 * static_cast<double>(parameters_.length()) / kBytesPerSecond)));
  const bool per_process = recipe_.checkpoint.files == "per_process" && group_->size() > 1;
  const RowFiles files(parameters_, sharding_, per_process);
  const AdamW::State& moments = optimizer_.state();
  const auto write = [&](Path folder) {
    if (per_process) folder = shared_folder(folder);
    const at::Tensor last = parameters_.values(), model = average_ ? average_->values() : last;
    const auto stem = [](const char* file) { return Path(file).stem().string(); };
    if (average_)
      files.write(folder, stem(models::kLastWeights), weights_in(parameters_, last),
                  models::kWeightsMetadata);
    files.write(folder, stem(models::kWholeWeights), weights_in(parameters_, model),
                models::kWeightsMetadata);
    const at::Tensor updates = torch::scalar_tensor(static_cast<double>(moments.steps_done), torch::kFloat32);
    files.write(folder, stem(kOptimizerFile), moments_in(parameters_, moments), {},
                {{"step", nn::view_of(updates)}});
    if (per_process) group_->barrier();  // all files are there
  };
  if (group_->rank() != 0) {
    write({});
  } else {
    OrderedJson state;
    state["step"] = steps_done_;
    state["tokens"] = tokens_seen_;
    state["attended_pairs"] = pairs_seen_;
    state["data"] = data_position_;
    const auto write_all = [&](const Path& folder) {
      models::write_config(folder, spec());
      write(folder);
    };
    save_checkpoint(run, steps_done_, write_all, state, recipe_.checkpoint.keep);
  }
  group_->barrier();
  group_->set_timeout(timeout);
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

void Trainer::skip_batches(int64_t steps) {
  forget_upcoming();
  for (int64_t step = 0; step < steps; ++step) loader_.next(recipe_.train.microbatches, division_.share);
  data_position_ = loader_.state();
}

void Trainer::forget_upcoming() {
  if (next_.valid()) next_.get();
  upcoming_.reset();
  rows_read_.reset();
  loader_.restore(data_position_);
}

void Trainer::resume(const Path& checkpoint) {
  settle();
  forget_upcoming();
  Json state;
  AdamW::State& moments = optimizer_.state();
  using Files = std::optional<models::WeightFiles>;
  Files model, last, optimizer;
  if (group_->rank() == 0) {
    verify_checkpoint(checkpoint);
    check_codecs(checkpoint);
    state = read_json(checkpoint / "state.json");
    model.emplace(checkpoint, models::kWholeWeights);
    optimizer.emplace(checkpoint, kOptimizerFile);
    if (models::has_weights(checkpoint, models::kLastWeights)) last.emplace(checkpoint, models::kLastWeights);
    const formats::TensorView* updates = optimizer->find("step");
    state["average"] = last.has_value();
    state["updates"] = updates ? nn::to_tensor(*updates).item<int64_t>() : 0;
  }
  const std::string where = (checkpoint / "state.json").string();
  const Json counters = parse_json(group_->gather_strings(state.dump())[0], where);
  const RowFiles files(parameters_, sharding_);
  const auto read = [&](const Files& file, const std::vector<RowTensor>& tensors, size_t more = 0) {
    files.read(file ? &*file : nullptr, tensors, more);
  };
  // Of a checkpoint without an average, it begins at the weights. One that the recipe does not ask for is left out.
  const at::Tensor& weights = parameters_.values();
  const bool keeps_average = counters.at("average").get<bool>();
  if (!keeps_average || average_)
    read(model, weights_in(parameters_, keeps_average ? average_->values() : weights));
  if (keeps_average) read(last, weights_in(parameters_, weights));
  if (average_ && !keeps_average) average_->restart();
  read(optimizer, moments_in(parameters_, moments), 1);
  moments.steps_done = json_int(counters, "updates", where);
  restore_counters(counters, where);
  if (shards_all()) sharding_.drop_all(weights);
  spread();
}

void Trainer::restore_counters(const Json& state, const std::string& where) {
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
