#include "mom/train/recipe.h"

#include "mom/base/error.h"
#include "mom/models/backbones.h"

namespace mom::train {

void TrainConfig::describe(config::Table& table) {
  table.field("steps", steps, "optimizer steps").range(1, 1e9);
  table.field("learning_rate", learning_rate, "peak learning rate, reached after the warm-up").range(0, 10);
  table.field("min_learning_rate", min_learning_rate, "learning rate at the end of the cosine").range(0, 10);
  table.field("warmup_steps", warmup_steps, "steps of linear warm-up").range(0, 1e9);
  table
      .field("weight_decay", weight_decay,
             "decoupled decay; not on norms, biases and a state-space model's own parameters")
      .range(0, 10);
  table.field("beta1", beta1, "AdamW's first moment").range(0, 0.9999999);
  table.field("beta2", beta2, "AdamW's second moment").range(0, 0.9999999);
  table.field("epsilon", epsilon, "AdamW's epsilon").range(1e-30, 1);
  table.field("clip_norm", clip_norm, "largest global gradient norm; 0: no clipping").range(0, 1e9);
  table.field("microbatches", microbatches, "parts a step's batch is split into, to save memory")
      .range(1, 65536);
  table
      .field("precision", precision,
             "of activations and of the projections' factors; weights, states, norms, losses and sums are "
             "float32")
      .one_of({"float32", "bfloat16"});
  table.field("recompute", recompute,
              "compute a block's activations again in backward: less memory, more time");
  table.field("start_from", start_from,
              "run or model folder whose weights training starts from; empty: random ones");
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
}

const std::vector<std::string>& settings() {
  static const std::vector<std::string> names = {"transfusion", "chameleon", "three_modality"};
  return names;
}

config::Schema Recipe::schema() {
  config::Schema schema;
  config::Table& top = schema.table("", "the run");
  top.field("setting", setting, "what is trained on what").one_of(settings());
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
  if (!models::find_backbone(recipe.model.backbone).recipe_chooses) recipe.model.decoupled.clear();
  if (recipe.train.min_learning_rate > recipe.train.learning_rate)
    throw UserError({file.string() + ": train.min_learning_rate", "at most train.learning_rate",
                     std::to_string(recipe.train.min_learning_rate), ""});
  if (recipe.data.batch_tokens < recipe.data.sequence_tokens * recipe.train.microbatches)
    throw UserError({file.string() + ": data.batch_tokens", "at least sequence_tokens x microbatches",
                     std::to_string(recipe.data.batch_tokens), ""});
  return recipe;
}

std::string dump_recipe(Recipe recipe) { return config::dump_toml(recipe.schema()); }

namespace {

// A setting is a choice of codecs: the data must have been encoded by those.
void check_setting(const std::string& setting, const data::EncodedDataset& dataset) {
  auto need = [&](bool there, const std::string& what, const std::string& kind) {
    if (!there)
      throw UserError({dataset.folder.string(), what + " (setting " + setting + ")", "none",
                       "encode the documents with a codec of kind " + kind + ", or choose another setting"});
  };
  need(dataset.vocabulary.find("text"), "text", "text");
  if (setting == "transfusion")
    return need(!dataset.latent_shape.empty(), "pictures as latents", "image_vae");
  need(dataset.codes_per_image > 0, "pictures as codes", "vq_image");
  if (setting == "three_modality") need(dataset.vocabulary.find("speech"), "speech as codes", "speech");
}

}  // namespace

models::ModelSpec make_spec(const Recipe& recipe, const data::EncodedDataset& dataset) {
  models::ModelSpec spec = recipe.model.resolved();
  spec.setting = recipe.setting;
  spec.vocabulary = dataset.vocabulary;
  spec.modalities = dataset.modalities();
  spec.vocab_size = dataset.vocabulary.size();
  spec.codec_hashes = dataset.codec_hashes;
  check_setting(recipe.setting, dataset);
  if (recipe.setting != "transfusion") return spec;
  spec.latent_shape = dataset.latent_shape;
  spec.diffusion_steps = recipe.objective.diffusion_steps;
  if (spec.latent_shape[1] % spec.patch_size || spec.latent_shape[2] % spec.patch_size)
    throw UserError({"model.patch_size",
                     "a divisor of the latents' " + std::to_string(spec.latent_shape[1]) + " x " +
                         std::to_string(spec.latent_shape[2]),
                     std::to_string(spec.patch_size), ""});
  return spec;
}

models::ModelSpec make_spec(const models::ModelSpec& model, const std::string& setting) {
  models::ModelSpec spec = model.resolved();
  spec.setting = setting;
  if (setting == "transfusion") {  // docs/reference.md, section 3: Llama-2's vocabulary, 32 x 32 x 8 latents
    spec.vocab_size = 32000;
    spec.modalities = {"text", "image"};
    spec.latent_shape = {8, 32, 32};
  } else {  // section 4 and 5: one joint vocabulary
    spec.vocab_size = 65536;
    spec.modalities = setting == "chameleon" ? std::vector<std::string>{"text", "image"}
                                             : std::vector<std::string>{"text", "image", "speech"};
  }
  return spec;
}

}  // namespace mom::train
