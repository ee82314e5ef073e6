#include "mom/compare/compare.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/compare/comparable.h"

namespace mom::compare {
using modality::TrainedSum;

namespace {

using runs::RunFolder;

std::optional<double> find(const std::map<std::string, double>& values, const std::string& key) {
  const auto found = values.find(key);
  if (found == values.end()) return std::nullopt;
  return found->second;
}

std::optional<double> sum_of(const std::map<std::string, double>& losses, const TrainedSum& trained) {
  const auto tokens = find(losses, trained.tokens), latents = find(losses, trained.latents);
  return tokens && latents ? std::optional(*tokens + trained.weight * *latents) : std::nullopt;
}

std::optional<double> point_loss(const runs::MetricPoint& point, const std::string& modality,
                                 const TrainedSum& trained) {
  if (modality != kOverall) return find(point.losses, modality);
  return trained.weight == 0 ? std::optional(point.loss) : sum_of(point.losses, trained);
}

std::optional<double> evaluated_loss(const RunFolder& run, const std::string& set,
                                     const std::string& modality, const TrainedSum& trained) {
  const auto found = run.evaluation.find(set);
  if (found == run.evaluation.end()) return std::nullopt;
  const std::map<std::string, double>& losses = found->second.losses;
  if (modality != kOverall) return find(losses, modality);
  return trained.weight > 0 ? sum_of(losses, trained) : found->second.overall;
}

struct Losses {
  std::optional<double> dense, mix;
};

Row make_row(const std::string& set, const std::string& modality, const Losses& final, const Curve& dense_raw,
             const Curve& mix_raw) {
  Row row{set, modality, *final.dense, *final.mix, 0, Match::kUnknown, {}, {}, {}};
  row.gain = row.dense_loss == 0 ? 0 : (row.dense_loss - row.mix_loss) / row.dense_loss;
  if (dense_raw.size() < 2 || mix_raw.size() < 2) return row;
  const Curve dense = smoothed(dense_raw), mix = smoothed(mix_raw);
  row.flops_to_match = end_point_ratio(dense, mix);
  row.match = row.flops_to_match ? Match::kReached : Match::kNever;
  row.flops_to_match_slope = slope_ratio(dense, mix);
  row.dense_self_match = end_point_ratio(dense, dense);
  return row;
}

std::set<std::string> all_sets(const RunFolder& run) {
  std::set<std::string> sets;
  for (const auto& [set, points] : run.evals) sets.insert(set);
  for (const auto& [set, losses] : run.evaluation) sets.insert(set);
  return sets;
}

[[noreturn]] void nothing_in_common(const RunFolder& dense, const RunFolder& mix) {
  for (const RunFolder* run : {&dense, &mix}) {
    if (!all_sets(*run).empty()) continue;
    if (run->may_validate())
      throw UserError({run->path.string(), "held-out losses", "none", "run mom eval on it"});
    throw UserError(
        {run->path.string(), "held-out losses",
         "none, since its data have no documents of split \"validation\"",
         "import the documents with `mom data import --validation 0.02`, encode them again and train "
         "the runs on them"});
  }
  throw UserError({mix.path.string(), "a held-out set that " + dense.path.string() + " has too", "none",
                   "run mom eval on both, or train them on the same data"});
}

// Sets in the order of the page: the chosen one, then those with the most modalities, those of a source that is trained
// on, and by name.
std::vector<std::string> ordered_sets(const RunFolder& dense, const RunFolder& mix, std::string& chosen) {
  std::vector<std::string> sets;
  const auto of_mix = all_sets(mix);
  for (const std::string& set : all_sets(dense)) {
    if (of_mix.count(set)) sets.push_back(set);
  }
  if (sets.empty()) nothing_in_common(dense, mix);
  if (!chosen.empty() && std::find(sets.begin(), sets.end(), chosen) == sets.end()) {
    std::string names;
    for (const std::string& set : sets) names += (names.empty() ? "" : ", ") + set;
    throw UserError({"--set", "one of " + names, chosen, ""});
  }
  const auto rank = [&](const std::string& set) {
    return std::pair(modalities_of(dense, set).size(), trains_on(dense, set));
  };
  std::stable_sort(sets.begin(), sets.end(), [&](const auto& a, const auto& b) { return rank(a) > rank(b); });
  if (chosen.empty()) chosen = sets.front();
  std::stable_partition(sets.begin(), sets.end(), [&](const std::string& set) { return set == chosen; });
  return sets;
}

std::vector<std::string> measured_on(const Comparison& comparison, const std::string& set) {
  std::vector<std::string> modalities;
  for (const Row& row : comparison.rows)
    if (row.set == set) modalities.push_back(row.modality);
  return modalities;
}

std::vector<std::string> sets_like(const Comparison& comparison, const RunFolder& dense) {
  const std::vector<std::string> modalities = measured_on(comparison, comparison.set);
  std::vector<std::string> sets;
  for (const Row& row : comparison.rows)
    if (row.set != comparison.set && row.modality == modalities.front() &&
        measured_on(comparison, row.set) == modalities &&
        trains_on(dense, row.set) == trains_on(dense, comparison.set))
      sets.push_back(row.set);
  return sets;
}

}  // namespace

const char* match_name(Match match) {
  static constexpr const char* kNames[] = {"reached", "never", "unknown"};
  return kNames[static_cast<size_t>(match)];
}

std::optional<Match> match_named(std::string_view name) {
  for (const Match match : {Match::kReached, Match::kNever, Match::kUnknown})
    if (name == match_name(match)) return match;
  return std::nullopt;
}

bool trains_on(const RunFolder& run, const std::string& set) {
  const std::string mixture = run.recipe_value("data.mixture");  // "{ gcide = 0.4, noto = 0.6 }"
  return mixture.find('=') == std::string::npos || mixture.find(" " + set + " =") != std::string::npos;
}

TrainedSum trained_sum_of(const RunFolder& run) {
  return modality::trained_sum(run.setting(), run.recipe_number("objective.image_weight", 5),
                               run.modality_table());
}

bool evaluated_at_end(const RunFolder& run) {
  return !run.evaluation.empty() && run.evaluation_step == run.final_step();
}

std::optional<double> final_loss(const RunFolder& run, const std::string& set, const std::string& modality,
                                 const TrainedSum& trained, bool from_file) {
  if (from_file) return evaluated_loss(run, set, modality, trained);
  const Curve curve = held_out_curve(run, set, modality, trained);
  return curve.size() > 0 ? std::optional(curve.loss.back()) : std::nullopt;
}

Curve held_out_curve(const RunFolder& run, const std::string& set, const std::string& modality,
                     const TrainedSum& trained) {
  Curve curve;
  const auto found = run.evals.find(set);
  if (found == run.evals.end()) return curve;
  for (const auto& point : found->second) {
    const auto loss = point_loss(point, modality, trained);
    if (!loss) continue;
    curve.flops.push_back(point.flops);
    curve.loss.push_back(*loss);
  }
  return curve;
}

std::vector<std::string> modalities_of(const RunFolder& run, const std::string& set) {
  std::set<std::string> names;
  if (const auto found = run.evals.find(set); found != run.evals.end()) {
    for (const auto& point : found->second) {
      for (const auto& [name, loss] : point.losses) names.insert(name);
    }
  }
  if (const auto found = run.evaluation.find(set); found != run.evaluation.end()) {
    for (const auto& [name, loss] : found->second.losses) names.insert(name);
  }
  std::vector<std::string> ordered(names.begin(),
                                   names.end());  // image, speech, text: alphabetical
  if (ordered.size() > 1) ordered.push_back(kOverall);
  return ordered;
}

Comparison compare_runs(const RunFolder& dense, const RunFolder& mix, const std::string& set) {
  // Two of one model are told apart by their folders.
  const bool alike = dense.model_name() == mix.model_name();
  const auto name_of = [&](const RunFolder& run) {
    return run.model_name() + (alike ? " (" + run.name + ")" : "");
  };
  Comparison out{name_of(dense),
                 name_of(mix),
                 dense.path,
                 mix.path,
                 set,
                 {},
                 "",
                 trained_sum_of(dense),
                 step_flops_ratio(dense, mix),
                 comparability_warnings(dense, mix),
                 mix.set_titles,
                 {}};
  out.set_titles.insert(dense.set_titles.begin(), dense.set_titles.end());
  const bool from_file = evaluated_at_end(dense) && evaluated_at_end(mix);
  out.loss_source = from_file ? "mom eval at the final step" : "the last evaluation in training";
  for (const std::string& name : ordered_sets(dense, mix, out.set)) {
    for (const std::string& modality : modalities_of(dense, name)) {
      const Curve dense_curve = held_out_curve(dense, name, modality, out.trained);
      const Curve mix_curve = held_out_curve(mix, name, modality, out.trained);
      const auto losses = [&](bool file) -> Losses {
        return {final_loss(dense, name, modality, out.trained, file),
                final_loss(mix, name, modality, out.trained, file)};
      };
      Losses final = losses(from_file);
      if (!final.dense || !final.mix) final = losses(false);
      if (final.dense && final.mix)
        out.rows.push_back(make_row(name, modality, final, dense_curve, mix_curve));
    }
  }
  if (out.rows.empty() || out.rows.front().set != out.set) {
    throw UserError({mix.path.string(), "losses of set " + out.set + " that both runs have", "none",
                     "run mom eval on both"});
  }
  if (set.empty()) out.like_set = sets_like(out, dense);
  return out;
}

namespace {

OrderedJson number_or_null(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

OrderedJson row_json(const Row& row) {
  OrderedJson out;
  out["dense_loss"] = row.dense_loss;
  out["mix_loss"] = row.mix_loss;
  out["gain"] = row.gain;
  out["flops_to_match"] = number_or_null(row.flops_to_match);
  out["flops_to_match_slope"] = number_or_null(row.flops_to_match_slope);
  out["match"] = match_name(row.match);
  out["dense_self_match"] = number_or_null(row.dense_self_match);
  return out;
}

}  // namespace

OrderedJson to_json(const Comparison& comparison) {
  OrderedJson out;
  out["dense"] = comparison.dense_path.string();
  out["mix"] = comparison.mix_path.string();
  out["set"] = comparison.set;
  for (const Row& row : comparison.rows) {
    if (row.set == comparison.set) out[row.modality] = row_json(row);
  }
  // One modality only: overall is that modality.
  if (!out.contains(kOverall)) out[kOverall] = row_json(comparison.rows.front());
  for (const Row& row : comparison.rows) out["sets"][row.set][row.modality] = row_json(row);
  out["loss_source"] = comparison.loss_source;
  out["image_weight"] =
      comparison.trained.weight > 0 ? OrderedJson(comparison.trained.weight) : OrderedJson(nullptr);
  out["step_flops_ratio"] = comparison.step_flops_ratio;
  out["warnings"] = comparison.warnings;
  return out;
}

}  // namespace mom::compare
