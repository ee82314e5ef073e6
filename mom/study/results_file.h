// results.json and timing.json of a study, read back and checked: from which the tables and the page are made.
//
// Losses are nats per token or mean squared errors of the noise; gains and amounts to match are fractions (0.02 is
// 2%); FLOPs, tokens and seconds are cumulative over the training.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mom/base/json.h"
#include "mom/compare/compare.h"
#include "mom/compare/statistics.h"

namespace mom::study {

// Named things in the order of the file.
template <class Value>
using Named = std::vector<std::pair<std::string, Value>>;

using compare::Summary, compare::summarised;

// A model against its baseline on one modality of a held-out set.
struct Row {
  Summary dense_loss, mix_loss, gain, flops_to_match, flops_to_match_slope, tokens_to_match;
  // From timing.json; without values when it is not there.
  Summary seconds_to_match, cpu_seconds_to_match;
  std::vector<compare::Match> match;  // per seed
};

using Rows = Named<Named<Row>>;  // by set, then modality

struct ArmResult {
  std::string name, model, baseline_model, set, loss_source;  // all but the name empty without seeds
  std::vector<int64_t> seeds;                                 // that could be compared
  std::vector<std::string> warnings;
  Rows sets;

  const Row* find(const std::string& of_set, const std::string& modality) const;
  const Named<Row>& verdict_rows() const;  // of `set`; it has seeds
};

// Runs that are compared with each other: a recipe with a variant.
struct GroupResult {
  std::string name, recipe, variant;
  std::vector<ArmResult> arms;  // without the baseline
  // By set, then modality: the gain of all projections together less the sum of the gains of each alone.
  std::optional<Named<Named<Summary>>> interaction;

  const ArmResult* find(const std::string& arm) const;
};

struct CurvePoints {
  std::vector<double> step, tokens, flops;
  // By modality, "overall" for what training minimises; one value per step, absent where not measured.
  Named<std::vector<std::optional<double>>> losses;
};

// Times of a run.
struct RunTiming {
  std::optional<double> train_seconds, train_cpu_seconds, tokens_per_s, process_seconds, peak_rss_bytes;
  bool of_processor = false;  // `seconds` are the processor's, else of the steps; empty: not recorded
  std::vector<double> step, seconds;
};

struct RunResult {
  std::string name, state;  // "finished", "failed" or "unfinished": only the first has all that follows
  std::string error, recipe, variant, arm, model;
  int64_t seed = 0;
  double steps = 0, tokens = 0, flops = 0;
  Json parameters;                                     // as `mom inspect` prints them; null when unknown
  Named<Named<double>> losses;                         // at the end, by set and modality
  std::map<std::string, std::string> resolved_recipe;  // "train.steps" -> its value as TOML
  CurvePoints train;
  Named<CurvePoints> held_out;
  RunTiming timing;

  bool finished() const { return state == "finished"; }
};

// A machine and its versions, with the runs that were made there.
struct Environment {
  std::vector<std::string> runs;
  std::map<std::string, std::string> values;  // "machine.processor" -> text
};

struct StudyResults {
  std::string title, baseline;
  std::vector<int64_t> seeds;
  int64_t eval_tokens = 0;
  std::vector<std::string> command;  // of the study, without --out; empty when not recorded
  std::vector<GroupResult> groups;
  std::vector<RunResult> runs;
  std::vector<Environment> environments;
  runs::SetTitles set_titles;
  bool has_timing = false;

  // Finished runs of an arm, the seeds in order.
  std::vector<const RunResult*> runs_of(const GroupResult& group, const std::string& arm) const;
  // Arms with a finished run in the group, the baseline first.
  std::vector<std::string> arms_of(const GroupResult& group) const;
};

// `timing` may be null. InputError "WHERE: expected ..." for what is missing or of another kind.
StudyResults parse_results(const OrderedJson& results, const OrderedJson& timing, const std::string& where);
StudyResults read_results(const Path& folder);
// Whether the folder is a study's: it holds a results.json.
bool is_study(const Path& folder);

}  // namespace mom::study
