// A recipe: everything that defines a run. TOML on disk; a run stores it resolved.
#pragma once

#include <string>
#include <vector>

#include "mom/config/fwd.h"
#include "mom/data/loader.h"
#include "mom/modality/presets.h"
#include "mom/models/model_spec.h"
#include "mom/models/objective.h"

namespace mom::train {

// [train]
struct TrainConfig {
  int64_t steps = 1000;
  double learning_rate = 1e-3, min_learning_rate = 5e-5;
  int64_t warmup_steps = 50;
  std::string schedule = "cosine";
  int64_t decay_steps = 0;  // of wsd; 0: a fifth of the steps
  double weight_decay = 0.1, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, clip_norm = 1.0;
  int64_t microbatches = 1;
  std::string shard = "optimizer";
  int64_t sequence_ranks = 1;
  double ema_decay = 0;  // 0: off
  std::string precision = "float32";
  std::string device = "cpu";
  bool recompute = false;
  std::string on_divergence = "stop";
  int64_t max_rollbacks = 3;
  std::string start_from;
  std::vector<std::string> start_from_differing;
  std::vector<std::string> freeze;        // globs over parameter names (paces.h)
  config::Weights learning_rate_factors;  // by glob
  void describe(config::Table& table);
};

// wsd: the steps before the decay, those of the warm-up included.
int64_t stable_until(const TrainConfig& config);

// [eval]
struct EvalConfig {
  int64_t every_steps = 50;
  int64_t max_tokens = 16384;  // of each held-out set, while training; `mom eval` uses all
  void describe(config::Table& table);
};

// [checkpoint]
struct CheckpointConfig {
  int64_t every_steps = 100;
  int64_t keep = 2;
  std::string files = "whole";
  void describe(config::Table& table);
};

struct Recipe {
  std::string setting = modality::presets().front().name;
  int64_t seed = 1;
  models::ModelSpec model;
  data::DataConfig data;
  models::ObjectiveConfig objective;
  TrainConfig train;
  EvalConfig eval;
  CheckpointConfig checkpoint;

  // Points into this recipe.
  config::Schema schema();
};

// Reads, applies overrides in order, fills in a named size, checks what concerns several keys.
Recipe load_recipe(const Path& file, const std::vector<std::string>& overrides);
std::string dump_recipe(Recipe recipe);

// UserError where train.sequence_ranks asks for stretches of sequences that the backbone cannot be cut into.
void check_stretches(const Recipe& recipe);
// The network a recipe asks for on this data. UserError where they don't fit.
models::ModelSpec make_spec(const Recipe& recipe, const data::EncodedDataset& dataset);
// Without data: the papers' vocabulary and latents for the setting, for `mom inspect --size`.
models::ModelSpec make_spec(const models::ModelSpec& model, const modality::Preset& setting);

}  // namespace mom::train
