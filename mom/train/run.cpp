#include "mom/train/run.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <cstdio>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/lock.h"
#include "mom/base/log.h"
#include "mom/base/machine.h"
#include "mom/base/progress.h"
#include "mom/base/signals.h"
#include "mom/config/schema.h"
#include "mom/dist/rendezvous.h"
#include "mom/train/checkpoint.h"
#include "mom/train/held_out.h"
#include "mom/train/metrics_log.h"
#include "mom/train/plan.h"
#include "mom/train/resume.h"
#include "mom/train/rollbacks.h"
#include "mom/train/trainer.h"

namespace mom::train {
namespace {

OrderedJson environment(const dist::Group& group) {
  OrderedJson environment;
  environment["machine"] = machine_description();
  environment["torch"] = TORCH_VERSION;
  environment["threads"] = at::get_num_threads();
  environment["processes"] = group.size();
  return environment;
}

// What the codecs keep of their input, beside the run that is trained on it: codec.json and report/.
void copy_codec_reports(const Path& run, const data::EncodedDataset& dataset) {
  FolderPublisher codecs(run / "codecs", /*replace=*/true);
  for (const auto& [modality, hash] : dataset.codec_hashes) {
    const Path from = dataset.folder / "codecs" / modality, to = codecs.path() / modality;
    std::filesystem::create_directories(to);
    copy_tree(from / "codec.json", to / "codec.json");
    if (std::filesystem::exists(from / "report")) copy_tree(from / "report", to / "report");
  }
  codecs.commit();
}

void start_run_folder(const RunOptions& options, const Recipe& recipe, const models::ModelSpec& spec,
                      const data::EncodedDataset& dataset, const dist::Group& group) {
  publish_file(options.run / "recipe.toml", dump_recipe(recipe));
  OrderedJson env = environment(group);
  env["data"] = describe_data(recipe, dataset);
  publish_json(options.run / "environment.json", env);
  publish_json(options.run / "parameters.json", models::inspect_json(spec, recipe.data.sequence_tokens));
  copy_codec_reports(options.run, dataset);
}

std::string loss_text(const StepReport& report, const models::ModelSpec& spec) {
  char buffer[64];
  std::string text;
  for (size_t m = 0; m < spec.modalities.size(); ++m) {
    std::snprintf(buffer, sizeof(buffer), "%s %.4f  ", spec.modalities[m].c_str(), report.loss[m].mean());
    text += buffer;
  }
  std::snprintf(buffer, sizeof(buffer), "%.0f tok/s",
                static_cast<double>(report.num_tokens) / report.seconds);
  return text + buffer;
}

// Where a run is written and shown: by rank 0 alone.
struct Outlet {
  Outlet(const Path& run, const Trainer& trainer)
      : log(run, trainer.steps_done(), trainer.spec()),
        progress("train " + run.filename().string(), "steps",
                 static_cast<uint64_t>(trainer.recipe().train.steps),
                 static_cast<uint64_t>(trainer.steps_done())) {}
  MetricsLog log;
  Progress progress;
};

// The held-out losses of this moment, into the log.
void evaluate(Trainer& trainer, const std::vector<HeldOutSet>& sets, Outlet* outlet) {
  for (const HeldOutSet& set : sets) {
    const models::LossReport loss = trainer.held_out_loss(set.batches);
    if (outlet) outlet->log.held_out(set.name, loss, trainer);
  }
  if (outlet) outlet->log.sync();
}

// Does `work`; where it fails on any rank, every rank throws the error of the first that did.
void agree(dist::Group& group, const std::function<void()>& work) {
  if (group.size() == 1) return work();
  std::string mine;
  try {
    work();
  } catch (const Error& error) {
    mine = std::to_string(static_cast<int>(error.code())) + " " + error.what();
  } catch (const std::exception& error) {
    mine = "1 " + std::string(error.what());
  }
  const std::vector<std::string> all = group.gather_strings(mine);
  for (size_t rank = 0; rank < all.size(); ++rank)
    if (!all[rank].empty())
      throw Error(static_cast<ExitCode>(std::stoi(all[rank])),
                  "rank " + std::to_string(rank) + ": " + all[rank].substr(all[rank].find(' ') + 1));
}

// To the last checkpoint, and over the batches since then.
void go_back(const RunOptions& options, Trainer& trainer, dist::Group& group, Rollbacks& rollbacks,
             int64_t diverged_at, const std::string& why) {
  Path checkpoint;
  Rollback rollback{};
  agree(group, [&] {
    if (group.rank() != 0) return;
    const std::vector<Checkpoint> checkpoints = list_checkpoints(options.run);
    if (!checkpoints.empty()) checkpoint = checkpoints.back().folder;
    rollback = rollbacks.go_back(checkpoints.empty() ? 0 : checkpoints.back().step, diverged_at, why);
  });
  trainer.resume(checkpoint);
  trainer.skip_batches(
      static_cast<int64_t>(group.gather_doubles({static_cast<double>(rollback.skipped_steps)})[0][0]));
}

// `lock` is rank 0's.
void train_loop(const RunOptions& options, Trainer& trainer, const std::vector<HeldOutSet>& sets,
                const Lock* lock, dist::Group& group) {
  const Recipe& recipe = trainer.recipe();
  StopSignals signals;
  std::optional<Outlet> outlet;
  if (lock) outlet.emplace(options.run, trainer);
  Outlet* out = outlet ? &*outlet : nullptr;
  Rollbacks rollbacks(options.run, recipe.train);
  if (trainer.steps_done() == 0) evaluate(trainer, sets, out);
  // One step, and what is due after it.
  const auto advance = [&] {
    const StepReport report = trainer.step();
    if (out) {
      out->log.train_step(report, trainer);
      out->progress.update(static_cast<uint64_t>(report.step), loss_text(report, trainer.spec()));
    }
    const bool stop =
        report.stop || (options.stop_at > 0 && report.step >= options.stop_at && !trainer.finished());
    if (report.step % recipe.eval.every_steps == 0 || trainer.finished()) evaluate(trainer, sets, out);
    if (report.step % recipe.checkpoint.every_steps == 0 || trainer.finished() || stop) {
      if (out) out->log.sync();
      if (lock) lock->check();
      trainer.save(options.run);
    }
    if (stop && !trainer.finished()) {
      if (out) out->progress.finish();
      throw StoppedError(options.run.string() + ": stopped after step " + std::to_string(report.step) +
                         " of " + std::to_string(recipe.train.steps) +
                         ", saved; run the same command with --resume to go on");
    }
  };
  for (bool done = trainer.finished(); !done; done = trainer.finished()) {
    const int64_t begun = trainer.steps_done();
    try {
      advance();
    } catch (const DivergedError& error) {  // on every rank
      outlet.reset();
      out = nullptr;
      go_back(options, trainer, group, rollbacks, begun + 1, error.what());
      if (lock) out = &outlet.emplace(options.run, trainer);
    }
  }
  if (out) out->progress.finish();
}

// The recipe as the run goes on with it, and the run's own account of it.
void continue_with(Recipe& recipe, const RunOptions& options, const data::EncodedDataset& dataset,
                   int64_t step) {
  const Path stored = options.run / "recipe.toml";
  const std::vector<RecipeChange> changes = changes_on_resume(recipe, stored, step, options.force);
  const OrderedJson data = describe_data(recipe, dataset);
  check_same_data(options.run, dataset, data);
  if (recipe.train.steps < step)
    throw UserError({"train.steps", "at least " + std::to_string(step) + ", the steps that are done",
                     std::to_string(recipe.train.steps), ""});
  record_changes(options.run, recipe, data, changes, step);
  recipe.train.start_from.clear();  // the weights are the checkpoint's, and that folder may be gone
}

// One recipe trains every backbone.
void warn_of_unused_keys(const Recipe& recipe, const Path& file) {
  for (const std::string& key : models::unused_keys(recipe.model))
    log_warning(file.string() + ": model." + key + " is set, but backbone " + recipe.model.backbone +
                " has no use for it");
}

void warn_of_keys_for_latents(Recipe recipe, const data::EncodedDataset& dataset, const Path& file) {
  if (dataset.vocabulary.latents()) return;
  Recipe plain;
  config::Schema given = recipe.schema(), defaults = plain.schema();
  for (const char* key : {"image_first_max_timestep", "prediction", "loss_weighting"}) {
    const std::string name = std::string("objective.") + key;
    if (given.find(name, "").value_toml() != defaults.find(name, "").value_toml())
      log_warning(file.string() + ": " + name + " is set, but setting " + recipe.setting + " has no latents");
  }
}

// The first line of `theirs` that `ours` has not at that place, cut short.
std::string first_difference(const std::string& ours, const std::string& theirs) {
  std::istringstream first(ours), second(theirs);
  std::string a, b;
  do {
    if (!std::getline(first, a)) a.clear();
    if (!std::getline(second, b)) return "nothing in place of " + a;
  } while (a == b);
  return b.substr(0, 100);
}

// What every rank must have alike: the build, the recipe but for the data's place, and the data.
void check_alike(dist::Group& group, Recipe recipe, const data::EncodedDataset& dataset) {
  if (group.size() == 1) return;
  recipe.data.path.clear();
  const std::vector<std::pair<std::string, std::string>> mine{
      {"program", sha256_hex_of_file("/proc/self/exe") + " with LibTorch " + TORCH_VERSION},
      {"recipe", dump_recipe(recipe)},
      {"data", data::content_sha256(dataset)}};
  for (const auto& [name, value] : mine) {
    const std::vector<std::string> all = group.gather_strings(value);
    for (size_t rank = 1; rank < all.size(); ++rank)
      if (all[rank] != all[0])
        throw UserError({"rank " + std::to_string(rank), "the " + name + " of rank 0",
                         first_difference(all[0], all[rank]),
                         "start all processes with the same program, command and data"});
  }
}

// The part of a run in its folder, which rank 0 alone touches.
struct RunFolder {
  std::unique_ptr<Lock> lock;
  Path checkpoint;  // to go on from; empty: from the start
  int64_t step = 0;
};

RunFolder open_run(const RunOptions& options, Recipe& recipe, const data::EncodedDataset& dataset) {
  RunFolder folder;
  folder.lock.reset(new Lock(Lock::of_folder(options.run, {"train into another folder with --run"})));
  remove_leftovers_in(options.run / "checkpoints");
  const std::vector<Checkpoint> checkpoints = list_checkpoints(options.run);
  if (!options.resume && std::filesystem::exists(options.run / "metrics.jsonl"))
    throw UserError(
        {options.run.string(), "a new folder", "a run", "add --resume to go on with it, or remove it"});
  if (checkpoints.empty()) return folder;
  folder.checkpoint = checkpoints.back().folder;
  folder.step = checkpoints.back().step;
  continue_with(recipe, options, dataset, folder.step);
  return folder;
}

void train(const RunOptions& options, const std::shared_ptr<dist::Group>& group) {
  Recipe recipe;
  std::shared_ptr<data::EncodedDataset> dataset;
  const bool first = group->rank() == 0;
  agree(*group, [&] {
    recipe = load_recipe(options.recipe, options.overrides);
    if (recipe.data.path.empty())
      throw UserError({options.recipe.string() + ": data.path", "a folder made by `mom data encode`",
                       "nothing", "set it in the recipe or with --set data.path=DIR"});
    dataset = std::make_shared<data::EncodedDataset>(data::open_encoded(recipe.data.path));
    if (!first) return;
    warn_of_unused_keys(recipe, options.recipe);
    warn_of_keys_for_latents(recipe, *dataset, options.recipe);
    warn_without_validation(*dataset);
    if (!options.dry_run) require_memory_to_begin(recipe, *dataset, group->size());
  });
  if (options.dry_run) return print_plan(recipe, *dataset, options.processes, options.json);
  if (options.run.empty()) throw UserError("--run: expected the folder to train into, found nothing");
  check_alike(*group, recipe, *dataset);
  RunFolder folder;
  agree(*group, [&] {
    if (first) folder = open_run(options, recipe, *dataset);
  });
  folder.step = static_cast<int64_t>(group->gather_doubles({static_cast<double>(folder.step)})[0][0]);
  if (folder.step > 0) recipe.train.start_from.clear();  // the weights are the checkpoint's
  if (folder.step >= recipe.train.steps) {
    if (first)
      log_info(options.run.string() + ": trained already (" + std::to_string(folder.step) + " steps)");
    return;
  }
  Trainer trainer(recipe, dataset, group);
  if (folder.step > 0) {
    trainer.resume(folder.checkpoint);
    if (first)
      log_info(options.run.string() + ": going on from step " + std::to_string(trainer.steps_done()));
  } else if (first) {
    start_run_folder(options, recipe, trainer.spec(), *dataset, *group);
  }
  train_loop(options, trainer, held_out_sets(*dataset, recipe, recipe.eval.max_tokens), folder.lock.get(),
             *group);
}

}  // namespace

void run_training(const RunOptions& options) {
  const std::shared_ptr<dist::Group> group =
      options.dry_run ? dist::alone()
                      : dist::join(dist::place_from_environment(), dist::timeout_from_environment());
  try {
    train(options, group);
  } catch (const std::exception& error) {
    group->leave(error.what());  // the others say so
    throw;
  }
}

std::string recipe_help() {
  Recipe recipe;
  return config::help_text(recipe.schema());
}

}  // namespace mom::train
