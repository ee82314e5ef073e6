// Two runs compared on held-out data: gain and FLOPs to match, for each modality and overall.
//
// `dense` is the run compared with, in words the baseline: of any backbone, most often the dense one. `mix` is the run
// that is measured against it. Both names are frozen in the JSON.
//
//   gain               (dense - mix) / dense, from the final losses: those of evaluation.json when both runs have them
//                      at their final step, else the last evaluation in training
//   FLOPs to match     curve.h, from the evaluations in training, over cumulative training FLOPs
//   overall            with latents: text + image_weight x image, the sum that is trained (the paper does not print its
//                      formula); else the mean over all tokens of the set
//
// Units: losses are nats per token or the mean squared error of the noise; gain and FLOPs to match are fractions
// (0.02 is 2%).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/json.h"
#include "mom/compare/curve.h"
#include "mom/modality/presets.h"
#include "mom/runs/run_folder.h"

namespace mom::compare {

inline constexpr const char* kOverall = "overall";

enum class Match { kReached, kNever, kUnknown };  // kUnknown: fewer than two evaluations in a run
const char* match_name(Match match);              // in JSON: "reached", "never", "unknown"
std::optional<Match> match_named(std::string_view name);

struct Row {
  std::string set, modality;  // modality "overall" for the sum
  double dense_loss = 0, mix_loss = 0, gain = 0;
  Match match = Match::kUnknown;
  std::optional<double> flops_to_match, flops_to_match_slope;
  // The fraction of its FLOPs after which the dense run itself first has its final smoothed loss. Well below 1
  // its curve is flat at the end, and a match says little.
  std::optional<double> dense_self_match;
};

struct Comparison {
  std::string dense_name, mix_name;  // models in words
  Path dense_path, mix_path;
  std::string set;        // the held-out set the verdict is about
  std::vector<Row> rows;  // those of `set` first
  std::string loss_source;
  modality::TrainedSum trained;       // "image_weight" of the JSON: its weight, null where that is 0
  double step_flops_ratio = 1;        // FLOPs of a step: mix over dense
  std::vector<std::string> warnings;  // why the runs may not be comparable
  runs::SetTitles set_titles;
  // Others with the modalities of `set`, trained on as it is, which the verdict counts, too; none where one set was asked for.
  std::vector<std::string> like_set;
};

// `set` empty: the held-out set with the most modalities. UserError when the settings differ or nothing can
// be compared.
Comparison compare_runs(const runs::RunFolder& dense, const runs::RunFolder& mix,
                        const std::string& set = "");

// The held-out curve of a modality or "overall", as measured; empty when not measured.
Curve held_out_curve(const runs::RunFolder& run, const std::string& set, const std::string& modality,
                     const modality::TrainedSum& trained);
modality::TrainedSum trained_sum_of(const runs::RunFolder& run);

// Whether the run trains on documents of the set's source: true where its recipe has no mixture.
bool trains_on(const runs::RunFolder& run, const std::string& set);

// A run's final loss: that of evaluation.json (`from_file`), else of the last evaluation in training.
std::optional<double> final_loss(const runs::RunFolder& run, const std::string& set,
                                 const std::string& modality, const modality::TrainedSum& trained,
                                 bool from_file);
// evaluation.json is there, and of the run's last step.
bool evaluated_at_end(const runs::RunFolder& run);

// Held-out sets of a run and the modalities measured on each, images first, "overall" last (only beside two others).
std::vector<std::string> modalities_of(const runs::RunFolder& run, const std::string& set);

// Keys per modality and `overall` of the chosen set at the top; `sets` has all of them.
OrderedJson to_json(const Comparison& comparison);

}  // namespace mom::compare
