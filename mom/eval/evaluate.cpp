#include "mom/eval/evaluate.h"

#include <ATen/ATen.h>

#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/eval/samples.h"
#include "mom/models/objective.h"
#include "mom/models/quantize.h"
#include "mom/ops/backend.h"
#include "mom/ops/device.h"
#include "mom/train/held_out.h"
#include "mom/train/trained_run.h"

namespace mom::eval {
namespace {

OrderedJson loss_json(const models::LossReport& report, const std::vector<std::string>& modalities) {
  OrderedJson json = OrderedJson::object();
  for (size_t m = 0; m < modalities.size(); ++m)
    if (report[m].count > 0) json[modalities[m]] = report[m].mean();
  return json;
}

OrderedJson units_json(const modality::Vocabulary& vocabulary) {
  OrderedJson json = OrderedJson::object();
  for (const modality::Modality& modality : vocabulary.modalities())
    json[modality.name] = modality.loss() == modality::Loss::kNoise
                              ? "mean squared error of the predicted noise"
                              : "nats per token";
  return json;
}

OrderedJson tokens_json(const std::vector<int64_t>& tokens, const std::vector<std::string>& modalities) {
  OrderedJson json = OrderedJson::object();
  for (size_t m = 0; m < modalities.size(); ++m) json[modalities[m]] = tokens[m];
  return json;
}

}  // namespace

OrderedJson evaluate_run(const EvalOptions& options) {
  const train::TrainedRun run = train::open_trained_run(options.run);
  const train::Recipe& recipe = run.recipe;
  models::Model model = models::load_model(
      run.model_folder, options.last_weights ? models::WeightsOf::kLastStep : models::WeightsOf::kModel,
      ops::use_device(options.device));
  models::round_weights(*model, options.weights);
  const bool as_it_is = options.data.empty() && options.weights == "float32" && !options.last_weights;
  ops::set_backend(ops::parse_backend(recipe.model.scan_backend));
  const data::EncodedDataset dataset =
      data::open_encoded(options.data.empty() ? Path(recipe.data.path) : options.data);
  models::check_same_codecs(model->spec(), dataset.codec_hashes, dataset.folder.string());
  train::require_split(dataset, options.split);
  const models::Objective objective(recipe.objective, model->spec().vocabulary);
  const std::vector<std::string>& modalities = model->spec().modalities;
  models::LossReport total(modalities.size());
  std::vector<int64_t> total_tokens(modalities.size(), 0);
  OrderedJson json;
  json["step"] = run.step;
  json["setting"] = recipe.setting;
  json["split"] = options.split;
  json["units"] = units_json(model->spec().vocabulary);
  json["loss"] = OrderedJson::object();
  json["tokens"] = OrderedJson::object();
  std::vector<train::HeldOutSet> sets =
      train::held_out_sets(dataset, recipe, options.max_tokens, options.split);
  uint64_t num_batches = 0, done = 0;
  for (const train::HeldOutSet& set : sets) num_batches += set.batches.size();
  Progress progress("eval " + options.run.filename().string(), "batches", num_batches);
  for (const train::HeldOutSet& set : sets) {
    models::LossReport report(modalities.size());
    std::vector<int64_t> tokens(modalities.size(), 0);
    for (const data::Batch& batch : set.batches) {
      models::add(report, models::held_out_loss(*model, objective, {batch}));
      for (size_t m = 0; m < tokens.size(); ++m) tokens[m] += batch.num_tokens[m];
      progress.update(++done, set.name);
    }
    json["sets"][set.name] = {{"loss", loss_json(report, modalities)},
                              {"loss_overall", objective.combined_loss(report)},
                              {"tokens", tokens_json(tokens, modalities)}};
    models::add(total, report);
    for (size_t m = 0; m < tokens.size(); ++m) total_tokens[m] += tokens[m];
  }
  progress.finish();
  json["loss"] = loss_json(total, modalities);
  json["tokens"] = tokens_json(total_tokens, modalities);
  if (options.samples > 0 && as_it_is) {
    const codecs::CodecSet codecs = data::codecs_of(dataset);
    write_samples(options.run,
                  {*model,
                   objective,
                   dataset,
                   recipe,
                   codecs,
                   options.samples,
                   {options.run_decoders, options.decode_limit_s}},
                  run.step);
  }
  // Last: it says that all of it is done (study/state.h).
  if (as_it_is && options.split == "validation") publish_json(options.run / "evaluation.json", json);
  return json;
}

}  // namespace mom::eval
