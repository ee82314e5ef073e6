#include "mom/train/run.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/version.h>

#include <cstdio>
#include <iostream>
#include <optional>

#include "mom/base/error.h"
#include "mom/base/lock.h"
#include "mom/base/log.h"
#include "mom/base/machine.h"
#include "mom/base/progress.h"
#include "mom/base/signals.h"
#include "mom/config/schema.h"
#include "mom/train/checkpoint.h"
#include "mom/train/held_out.h"
#include "mom/train/metrics_log.h"
#include "mom/train/plan.h"
#include "mom/train/resume.h"
#include "mom/train/trainer.h"

namespace mom::train {
namespace {

OrderedJson environment() {
  OrderedJson environment;
  environment["machine"] = machine_description();
  environment["torch"] = TORCH_VERSION;
  environment["threads"] = at::get_num_threads();
  return environment;
}

// What the codecs keep of their input, beside the run that is trained on it: codec.json and report/.
void copy_codec_reports(const Path& run, const data::EncodedDataset& dataset) {
  for (const auto& [modality, hash] : dataset.codec_hashes) {
    const Path from = dataset.folder / "codecs" / modality, to = run / "codecs" / modality;
    std::filesystem::create_directories(to);
    std::filesystem::copy_file(from / "codec.json", to / "codec.json",
                               std::filesystem::copy_options::overwrite_existing);
    if (std::filesystem::exists(from / "report"))
      std::filesystem::copy(
          from / "report", to / "report",
          std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  }
}

void start_run_folder(const RunOptions& options, const Recipe& recipe, const models::ModelSpec& spec,
                      const data::EncodedDataset& dataset) {
  publish_file(options.run / "recipe.toml", dump_recipe(recipe));
  OrderedJson env = environment();
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

// The held-out losses of this moment, into the log.
void evaluate(Trainer& trainer, const std::vector<HeldOutSet>& sets, MetricsLog& log) {
  for (const HeldOutSet& set : sets)
    log.held_out(set.name, trainer.held_out_loss(set.batches), trainer);
  log.sync();
}

void train_loop(const RunOptions& options, Trainer& trainer, const std::vector<HeldOutSet>& sets,
                const Lock& lock) {
  const Recipe& recipe = trainer.recipe();
  StopSignals signals;
  MetricsLog log(options.run, trainer.steps_done(), trainer.model().spec());
  Progress progress("train " + options.run.filename().string(), "steps",
                    static_cast<uint64_t>(recipe.train.steps), static_cast<uint64_t>(trainer.steps_done()));
  if (trainer.steps_done() == 0) evaluate(trainer, sets, log);
  while (!trainer.finished()) {
    const StepReport report = trainer.step();
    log.train_step(report, trainer);
    progress.update(static_cast<uint64_t>(report.step), loss_text(report, trainer.model().spec()));
    const bool stop = StopSignals::received() != 0 ||
                      (options.stop_at > 0 && report.step >= options.stop_at && !trainer.finished());
    if (report.step % recipe.eval.every_steps == 0 || trainer.finished()) evaluate(trainer, sets, log);
    if (report.step % recipe.checkpoint.every_steps == 0 || trainer.finished() || stop) {
      log.sync();
      lock.check();
      trainer.save(options.run);
    }
    if (stop && !trainer.finished()) {
      progress.finish();
      throw StoppedError(options.run.string() + ": stopped after step " + std::to_string(report.step) +
                         " of " + std::to_string(recipe.train.steps) +
                         ", saved; run the same command with --resume to go on");
    }
  }
  progress.finish();
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

}  // namespace

void run_training(const RunOptions& options) {
  Recipe recipe = load_recipe(options.recipe, options.overrides);
  if (recipe.data.path.empty())
    throw UserError({options.recipe.string() + ": data.path", "a folder made by `mom data encode`", "nothing",
                     "set it in the recipe or with --set data.path=DIR"});
  warn_of_unused_keys(recipe, options.recipe);
  auto dataset = std::make_shared<data::EncodedDataset>(data::open_encoded(recipe.data.path));
  warn_of_keys_for_latents(recipe, *dataset, options.recipe);
  warn_without_validation(*dataset);
  if (options.dry_run) return print_plan(recipe, *dataset, options.json);
  if (options.run.empty()) throw UserError("--run: expected the folder to train into, found nothing");
  const Lock lock = Lock::of_folder(options.run, {"train into another folder with --run"});
  const std::vector<Checkpoint> checkpoints = list_checkpoints(options.run);
  if (!options.resume && std::filesystem::exists(options.run / "metrics.jsonl"))
    throw UserError(
        {options.run.string(), "a new folder", "a run", "add --resume to go on with it, or remove it"});
  const bool resumes = !checkpoints.empty();
  if (resumes) continue_with(recipe, options, *dataset, checkpoints.back().step);
  if (resumes && checkpoints.back().step >= recipe.train.steps) {
    log_info(options.run.string() + ": trained already (" + std::to_string(checkpoints.back().step) +
             " steps)");
    return;
  }
  Trainer trainer(recipe, dataset);
  if (resumes) {
    trainer.resume(checkpoints.back().folder);
    log_info(options.run.string() + ": going on from step " + std::to_string(trainer.steps_done()));
  } else {
    start_run_folder(options, recipe, trainer.model().spec(), *dataset);
  }
  train_loop(options, trainer, held_out_sets(*dataset, recipe, recipe.eval.max_tokens), lock);
}

std::string recipe_help() {
  Recipe recipe;
  return config::help_text(recipe.schema());
}

}  // namespace mom::train
