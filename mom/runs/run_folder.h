// A run folder read as files: what `mom train`, `mom eval` and `mom inspect` left there. No code of theirs is used, so
// that a run of another version or machine can be compared and reported.
//
//   recipe.toml             resolved recipe; needed
//   metrics.jsonl           one object per line, `kind` "train" or "eval" (eval lines name their `set`); needed
//   environment.json        machine, versions, data with their SHA-256, `changes` by resuming (train/resume.h)
//   parameters.json         the object of `mom inspect --json`
//   evaluation.json         the object `mom eval` writes: losses on the whole held-out sets at the final step
//   samples/denoised.json   and the files it names (PNG, WAV, arrays): held-out items of latents, noised and denoised
//   samples/predicted.json  and the files it names, likewise: held-out codes, and the likeliest ones
//   generation/             what `mom eval --generation` found (generation_quality.h); not counted as missing
//   codecs/MODALITY/        codec.json and report/ of the codecs: what they keep of their input
//   lock                    while mom train is at work, which alone writes the files up to parameters.json, checkpoints/
//                           and codecs/. What mom eval writes is replaced as a whole, also by several at once
// All but the first two may be missing: `missing` then says so.
//
// Errors: InputError "FILE:LINE: ..." for a damaged line, steps or FLOPs that do not rise, a wrong type.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/runs/generation_quality.h"

namespace mom::runs {

// How often each expert was chosen: by block, then modality, one entry per expert.
using ExpertChoices = std::map<int64_t, std::map<std::string, std::vector<double>>>;

// One line of metrics.jsonl. Losses are nats per token or mean squared error of the noise, by modality.
struct MetricPoint {
  int64_t step = 0;
  double flops = 0;                                              // training FLOPs spent so far
  double tokens = 0;                                             // tokens seen so far, all modalities
  std::optional<double> loss;                                    // `loss`: what training minimises
  std::map<std::string, double> losses;                          // `loss_MODALITY`
  std::optional<double> learning_rate, grad_norm, tokens_per_s;  // train lines only
  std::optional<double> tokens_per_cpu_s;  // likewise; processor seconds of all threads together
  // Train lines of backbones with experts only: mean over their blocks.
  std::optional<double> experts_dropped;  // fraction of choices (experts choose: of tokens) without a place
  std::optional<double> experts_balance;  // balance loss, 1: even; absent where experts choose
  std::optional<double> router_entropy;   // nats per token
  ExpertChoices experts_chosen;
};

struct DenoisedItem {
  std::string caption;
  int64_t timestep = 0;
  Path original, noised, denoised;  // absolute or as the run's path; inside RUN/samples
};

// A segment of codes, as the codec gives it back and as the model predicts it code by code.
struct PredictedItem {
  std::string modality, caption;
  Path original, predicted;  // PNG or WAV
};

// A codec's figures on held-out data, and what can be seen and heard of it.
struct CodecReport {
  std::string modality, kind, hash;
  Json figures;
  std::vector<Path> images;                   // PNG
  std::vector<std::pair<Path, Path>> sounds;  // WAV: original, decoded
};

// The losses `mom eval` measured on one held-out set, with the tokens they are means over.
struct EvaluatedSet {
  std::map<std::string, double> losses, tokens;
  std::optional<double> overall;  // what training minimises
};

// What held-out sets are, in words, by name: the `titles` of the data (docs/formats/documents.md).
using SetTitles = std::map<std::string, std::string>;
// "emoji of held-out concepts (noto)", or the name alone.
std::string set_text(const SetTitles& titles, const std::string& set);

struct RunFolder {
  Path path;
  std::string name;  // last part of the path
  std::string recipe_text;
  std::map<std::string, std::string> recipe;  // "train.steps" -> its value as TOML; strings without quotes
  std::vector<MetricPoint> train;
  std::map<std::string, std::vector<MetricPoint>> evals;  // by held-out set, steps rising
  std::optional<Json> environment, parameters;
  SetTitles set_titles;
  int64_t evaluation_step = 0;
  std::map<std::string, EvaluatedSet> evaluation;
  int64_t denoised_step = 0;
  std::vector<DenoisedItem> denoised;
  int64_t predicted_step = 0;
  std::vector<PredictedItem> predicted;
  std::optional<GenerationQuality> generation;
  std::vector<CodecReport> codecs;
  std::vector<std::string> missing;  // "evaluation.json (written by `mom eval`)"

  // The recipe's value, or `otherwise`.
  std::string recipe_value(const std::string& key, const std::string& otherwise = "") const;
  double recipe_number(const std::string& key, double otherwise) const;
  std::string setting() const { return recipe_value("setting"); }
  std::string backbone() const;  // "moe_mamba"
  // "Mixture-of-Mamba", "dense Mamba", "MoE-Mamba with 4 experts": the backbone in words, with what was
  // chosen in it (projections when only some are decoupled, experts). A backbone we don't know keeps its name.
  std::string model_name() const;
  // A mixture has weights of its own for each modality or expert; what it is compared with has not.
  bool is_mixture() const;
  bool has_experts() const;
  // The backbone a mixture is a mixture of, e.g. "mamba"; of others their own.
  std::string dense_backbone() const;
  // Names the encoded data: the start of the SHA-256 of its manifest, from environment.json; empty when not recorded.
  std::string data_identity() const;
  // The modalities of its data (modality/vocabulary.h), from environment.json; null when not recorded.
  Json modality_table() const;
  // Whether its data have documents to validate on; not recorded: it may.
  bool may_validate() const;
  // "train.steps from step 30 on: 60, before 30": what --force changed while it was trained.
  std::vector<std::string> forced_changes() const;
  int64_t final_step() const;  // last step of any line; 0 without lines
};

RunFolder read_run_folder(const Path& path);

// A run folder, or a folder whose sub-folders are runs (a study): the runs in order of name. InputError when
// there is none.
std::vector<Path> find_runs(const Path& path);

// TOML text -> dotted key -> value, arrays and inline tables as TOML. InputError "WHERE:LINE: ..." on a syntax error.
std::map<std::string, std::string> flatten_toml(std::string_view text, const std::string& where);

}  // namespace mom::runs
