#include "mom/train/recipe.h"

#include "mom/base/error.h"
#include "mom/config/schema.h"
#include "mom/models/backbones.h"
#include "mom/models/convert.h"

namespace mom::train {

void TrainConfig::describe(config::Table& table) {
  table.field("steps", steps, "optimizer steps").range(1, 1e9);
  table.field("learning_rate", learning_rate, "peak learning rate, reached after the warm-up").range(0, 10);
  table.field("min_learning_rate", min_learning_rate, "learning rate at the last step").range(0, 10);
  table.field("warmup_steps", warmup_steps, "steps of linear warm-up").range(0, 1e9);
  table
      .field("schedule", schedule,
             "after the warm-up: cosine, down to the last step; or wsd (warm-up, stable, decay), the peak "
             "until the last "
             "decay_steps: a run in its stable phase may be resumed with more steps")
      .one_of({"cosine", "wsd"});
  table
      .field("decay_steps", decay_steps,
             "wsd: last steps, in which the learning rate falls as 1 - sqrt; 0: a fifth of the steps")
      .range(0, 1e9);
  table
      .field("weight_decay", weight_decay,
             "decoupled decay; not on norms, biases and a state-space model's own parameters")
      .range(0, 10);
  table.field("beta1", beta1, "AdamW's first moment").range(0, 0.9999999);
  table.field("beta2", beta2, "AdamW's second moment").range(0, 0.9999999);
  table.field("epsilon", epsilon, "AdamW's epsilon").range(1e-30, 1);
  table.field("clip_norm", clip_norm, "largest global gradient norm; 0: no clipping").range(0, 1e9);
  table
      .field("microbatches", microbatches,
             "parts a step's batch is split into: the unit that processes share out, and that threads "
             "compute side by "
             "side; one process with one thread saves memory by it")
      .range(1, 65536);
  table
      .field("shard", shard,
             "what several processes divide among them: the optimizer's moments; or all, weights and "
             "gradients too, which then come together a block at a time: less memory, more communication")
      .one_of({"optimizer", "all"});
  table
      .field(
          "sequence_ranks", sequence_ranks,
          "processes that share the sequences of each microbatch: every one computes a stretch of its "
          "positions and passes the state on to the next, for sequences whose activations do not fit in one "
          "process; backbones of Mamba blocks only")
      .range(1, 65536);
  table
      .field("ema_decay", ema_decay,
             "decay of the exponential moving average of the weights, e.g. 0.999, which is then what is "
             "evaluated and "
             "saved as the model; after n steps at most (1 + n) / (10 + n); 0: off")
      .range(0, 0.9999999);
  table
      .field("precision", precision,
             "of activations and of the projections' factors; weights, states, norms, losses and sums are "
             "float32")
      .one_of({"float32", "bfloat16"});
  table.field(
      "device", device,
      "what computes: cpu, or a GPU where the build has kernels for it: cuda, cuda:1; of several processes "
      "each takes, with cuda, the one of its number on its machine");
  table.field("recompute", recompute,
              "compute a block's activations again in backward: less memory, more time");
  table
      .field("on_divergence", on_divergence,
             "where loss or gradient is not finite: stop, with exit code 5 and nothing updated; or rollback "
             "to the "
             "last checkpoint, and on without the batches since then (RUN/rollbacks.jsonl)")
      .one_of({"stop", "rollback"});
  table.field("max_rollbacks", max_rollbacks, "rollbacks of a run, after which it stops").range(1, 1e6);
  table.field("start_from", start_from,
              "run or model folder whose weights training starts from, also one of fewer modalities; empty: "
              "random ones");
  table
      .field("start_from_differing", start_from_differing,
             "keys of config.json in which that model may differ from the recipe")
      .one_of(models::keys_that_may_differ());
  table.field("freeze", freeze,
              "parameters that stay as they are, by patterns of their names: [\"*.text.*\", \"*.conv1d.*\"]; "
              "lm_head.text.weight is the rows of text");
  table.field(
      "learning_rate_factors", learning_rate_factors,
      "factors of the learning rate, by patterns of parameter names: {\"*.image.*\" = 2.0}; the others "
      "have 1");
}

void EvalConfig::describe(config::Table& table) {
  table
      .field("every_steps", every_steps,
             "steps between held-out evaluations; the last step is always evaluated")
      .range(1, 1e9);
  table.field("max_tokens", max_tokens, "tokens of each held-out set used while training; 0: all")
      .range(0, 1e12);
}

void CheckpointConfig::describe(config::Table& table) {
  table.field("every_steps", every_steps, "steps between checkpoints; the last step is always saved")
      .range(1, 1e9);
  table.field("keep", keep, "newest checkpoints kept; 0: all").range(0, 1e9);
  table
      .field("files", files,
             "whole: one file each of weights and moments, written by rank 0; per_process: every process "
             "writes its share, into a run folder that all of them see")
      .one_of({"whole", "per_process"});
}

config::Schema Recipe::schema() {
  config::Schema schema;
  config::Table& top = schema.table("", "the run");
  top.field("setting", setting, "what is trained on what").one_of(modality::preset_names());
  top.field("seed", seed, "fixes initial weights, data order and noise").range(0, 9007199254740992.0);
  model.describe(schema.table("model", "the network"));
  data.describe(schema.table("data", "the training data"));
  objective.describe(schema.table("objective", "the loss"));
  train.describe(schema.table("train", "the optimizer and its schedule"));
  eval.describe(schema.table("eval", "held-out evaluation while training"));
  checkpoint.describe(schema.table("checkpoint", "saved states"));
  return schema;
}

Recipe load_recipe(const Path& file, const std::vector<std::string>& overrides) {
  Recipe recipe;
  config::Schema schema = recipe.schema();
  config::load_toml(schema, file);
  for (const std::string& assignment : overrides) config::apply_override(schema, assignment);
  models::apply_named_size(recipe.model, schema.was_set("model.d_model"), schema.was_set("model.layers"));
  if (!models::find_backbone(recipe.model.backbone).recipe_chooses)
    recipe.model.decoupled.clear(), recipe.model.route = models::kRouteByModality;
  if (recipe.train.min_learning_rate > recipe.train.learning_rate)
    throw UserError({file.string() + ": train.min_learning_rate", "at most train.learning_rate",
                     std::to_string(recipe.train.min_learning_rate), ""});
  if (recipe.train.schedule != "wsd" && recipe.train.decay_steps > 0)
    throw UserError({file.string() + ": train.decay_steps", "0 where train.schedule is not wsd",
                     std::to_string(recipe.train.decay_steps), ""});
  if (recipe.train.schedule == "wsd" && stable_until(recipe.train) < recipe.train.warmup_steps)
    throw UserError({file.string() + ": train.steps",
                     "at least train.warmup_steps and those of the decay (" +
                         std::to_string(recipe.train.steps - stable_until(recipe.train)) + ") together",
                     std::to_string(recipe.train.steps), ""});
  if (recipe.data.batch_tokens < recipe.data.sequence_tokens * recipe.train.microbatches)
    throw UserError({file.string() + ": data.batch_tokens", "at least sequence_tokens x microbatches",
                     std::to_string(recipe.data.batch_tokens), ""});
  return recipe;
}

int64_t stable_until(const TrainConfig& config) {
  return config.steps -
         (config.decay_steps > 0 ? config.decay_steps : std::max<int64_t>(1, config.steps / 5));
}

std::string dump_recipe(Recipe recipe) { return config::dump_toml(recipe.schema()); }

namespace {

// The data must have the setting's modalities, each in its representation.
void check_setting(const std::string& setting, const data::EncodedDataset& dataset) {
  const modality::Preset& preset = *modality::find_preset(setting);
  for (size_t m = 0; m < preset.codec_kinds.size(); ++m) {
    const modality::Modality& needed = preset.vocabulary.modalities()[m];
    const modality::Modality* found = dataset.vocabulary.find(needed.name);
    if (!found || found->representation != needed.representation)
      throw UserError({dataset.folder.string(),
                       needed.name + " as " + to_string(needed.representation) + " (setting " + setting + ")",
                       found ? to_string(found->representation) : "none",
                       "encode the documents with a codec of kind " + preset.codec_kinds[m] +
                           ", or choose another setting"});
  }
}

// What [objective] says by name is of latents.
template <class Value>
void check_named(const std::map<std::string, Value>& by_name, const std::string& key,
                 const modality::Vocabulary& vocabulary) {
  for (const auto& [name, value] : by_name)
    if (!vocabulary.has_latents(name))
      throw UserError({"objective." + key + "." + name, "a modality of latents", "none of this name", ""});
}

void check_data(const models::ModelSpec& spec) {
  if (const std::string problem = spec.problem_with_data(); !problem.empty())
    throw UserError("model." + problem + " (setting " + spec.setting + ")");
}

}  // namespace

void check_stretches(const Recipe& recipe) {
  const std::string mixer = recipe.model.mixer_that_cannot_be_cut();
  if (recipe.train.sequence_ranks == 1 || mixer.empty()) return;
  throw UserError({"train.sequence_ranks",
                   "1 for backbone " + recipe.model.backbone + ", whose " + mixer +
                       " blocks pass no state from process to process",
                   std::to_string(recipe.train.sequence_ranks),
                   "set train.sequence_ranks=1, or train backbone mamba or mixture_of_mamba"});
}

models::ModelSpec make_spec(const Recipe& recipe, const data::EncodedDataset& dataset) {
  check_stretches(recipe);
  models::ModelSpec spec = recipe.model.resolved();
  spec.setting = recipe.setting;
  spec.vocabulary = dataset.vocabulary.with_patch_size(recipe.model.patches());
  spec.modalities = dataset.modalities();
  spec.vocab_size = dataset.vocabulary.size();
  spec.codec_hashes = dataset.codec_hashes;
  check_setting(recipe.setting, dataset);
  check_data(spec);
  const models::ObjectiveConfig& objective = recipe.objective;
  check_named(objective.schedules, "schedules", spec.vocabulary);
  check_named(objective.predictions, "predictions", spec.vocabulary);
  if (spec.latents()) {
    spec.diffusion_steps = objective.diffusion_steps;
    spec.schedules = objective.schedules;
    spec.prediction = models::parse_prediction(objective.prediction);
    for (const auto& [name, prediction] : objective.predictions)
      spec.predictions[name] = models::parse_prediction(prediction);
  }
  return spec;
}

models::ModelSpec make_spec(const models::ModelSpec& model, const modality::Preset& setting) {
  if (setting.vocabulary.empty())
    throw UserError({"setting", "one of the papers' settings where no data says which modalities there are",
                     setting.name, "give a recipe whose data.path is encoded data"});
  models::ModelSpec spec = model.resolved();
  spec.setting = setting.name;
  spec.vocabulary = setting.vocabulary.with_patch_size(model.patches());
  spec.modalities = spec.vocabulary.names();
  spec.vocab_size = spec.vocabulary.size();
  check_data(spec);
  return spec;
}

}  // namespace mom::train
