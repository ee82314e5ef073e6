#include "mom/study/results.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/compare/amounts.h"
#include "mom/compare/compare.h"
#include "mom/study/results_file.h"
#include "mom/study/state.h"

namespace mom::study {
namespace {

using Numbers = std::vector<std::optional<double>>;
using Folders = std::map<std::string, runs::RunFolder>;

// The rows of one arm in one group, by seed.
struct Pairs {
  std::vector<int64_t> seeds;
  std::vector<compare::Comparison> comparisons;
  std::vector<const runs::RunFolder*> base, arm;
  std::vector<std::string> warnings;  // each once
  std::string base_words, arm_words;  // the models
};

// A run's model in words; one of a table [[model]] with its name where another model has the same words.
std::string words_of(const Grid& grid, const Folders& folders, const Run& run) {
  const std::string words = folders.at(run.name).model_name();
  if (grid.arms[run.arm].set.empty()) return words;
  for (size_t arm = 0; arm < grid.arms.size(); ++arm) {
    const auto other = folders.find(grid.run(run.group, arm, run.seed).name);
    if (arm != run.arm && other != folders.end() && other->second.model_name() == words)
      return words + " (" + grid.arms[run.arm].name + ")";
  }
  return words;
}

Pairs pairs_of(const Grid& grid, const Folders& folders, size_t group, size_t arm) {
  Pairs pairs;
  for (const int64_t seed : grid.seeds) {
    const auto base = folders.find(grid.run(group, grid.baseline, seed).name);
    const auto other = folders.find(grid.run(group, arm, seed).name);
    if (base == folders.end() || other == folders.end()) continue;
    try {
      pairs.comparisons.push_back(compare::compare_runs(base->second, other->second));
    } catch (const Error& error) {  // one pair that cannot be compared leaves the other tables as they are
      pairs.warnings.push_back(error.what());
      continue;
    }
    pairs.seeds.push_back(seed);
    pairs.base.push_back(&base->second);
    pairs.arm.push_back(&other->second);
    pairs.base_words = words_of(grid, folders, grid.run(group, grid.baseline, seed));
    pairs.arm_words = words_of(grid, folders, grid.run(group, arm, seed));
    for (const std::string& warning : pairs.comparisons.back().warnings)
      if (std::find(pairs.warnings.begin(), pairs.warnings.end(), warning) == pairs.warnings.end())
        pairs.warnings.push_back(warning);
  }
  return pairs;
}

const compare::Row* find_row(const compare::Comparison& comparison, const std::string& set,
                             const std::string& modality) {
  for (const compare::Row& row : comparison.rows)
    if (row.set == set && row.modality == modality) return &row;
  return nullptr;
}

// One number of a row for every seed.
template <class Pick>
Numbers values_of(const Pairs& pairs, const compare::Row& like, const Pick& pick) {
  Numbers values;
  for (size_t i = 0; i < pairs.comparisons.size(); ++i) {
    const compare::Row* row = find_row(pairs.comparisons[i], like.set, like.modality);
    values.push_back(row ? pick(*row, i) : std::nullopt);
  }
  return values;
}

Numbers amounts_of(const Pairs& pairs, const compare::Row& like, compare::Amount amount) {
  return values_of(pairs, like, [&](const compare::Row& row, size_t i) {
    return compare::amount_to_match(*pairs.base[i], *pairs.arm[i], row, pairs.comparisons[i].trained, amount);
  });
}

compare::Match match_between(const compare::Row* row) { return row ? row->match : compare::Match::kUnknown; }

OrderedJson row_json(const Pairs& pairs, const compare::Row& like) {
  using compare::Row;
  const auto number = [&](auto member) {
    return summary_json(
        values_of(pairs, like, [&](const Row& row, size_t) { return std::optional<double>(row.*member); }));
  };
  OrderedJson json;
  json["dense_loss"] = number(&Row::dense_loss);
  json["mix_loss"] = number(&Row::mix_loss);
  json["gain"] = number(&Row::gain);
  json["flops_to_match"] = number(&Row::flops_to_match);
  json["flops_to_match_slope"] = number(&Row::flops_to_match_slope);
  json["tokens_to_match"] = summary_json(amounts_of(pairs, like, compare::Amount::kTokens));
  json["match"] = OrderedJson::array();
  for (const auto& comparison : pairs.comparisons)
    json["match"].push_back(
        compare::match_name(match_between(find_row(comparison, like.set, like.modality))));
  return json;
}

OrderedJson arm_json(const Pairs& pairs) {
  OrderedJson json;
  json["seeds"] = pairs.seeds;
  json["warnings"] = pairs.warnings;
  if (pairs.seeds.empty()) return json;
  const compare::Comparison& first = pairs.comparisons.front();
  json["model"] = pairs.arm_words;
  json["baseline_model"] = pairs.base_words;
  json["set"] = first.set;
  json["loss_source"] = first.loss_source;
  for (const compare::Row& row : first.rows) json["sets"][row.set][row.modality] = row_json(pairs, row);
  return json;
}

OrderedJson arm_timing(const Pairs& pairs) {
  OrderedJson json;
  json["seeds"] = pairs.seeds;
  if (pairs.seeds.empty()) return json;
  for (const compare::Row& row : pairs.comparisons.front().rows) {
    OrderedJson& here = json["sets"][row.set][row.modality];
    here["seconds_to_match"] = summary_json(amounts_of(pairs, row, compare::Amount::kSeconds));
    here["cpu_seconds_to_match"] = summary_json(amounts_of(pairs, row, compare::Amount::kCpuSeconds));
  }
  return json;
}

// The gain with the seed at `i`; nullopt where it was not measured.
std::optional<double> gain_of(const OrderedJson& arm, const std::string& set, const std::string& modality,
                              size_t i) {
  const OrderedJson none;
  const OrderedJson of_set = arm.value("sets", none).value(set, none);
  if (!of_set.is_object() || !of_set.contains(modality)) return std::nullopt;
  const OrderedJson& value = of_set[modality]["gain"]["values"].at(i);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

// Gain of all projections together minus the sum of the gains of each alone, where the grid has them all.
OrderedJson interaction_json(const Grid& grid, const OrderedJson& arms) {
  std::vector<std::string> parts, all;
  for (const Arm& arm : grid.arms) {
    if (arm.decoupled && arm.decoupled->size() == 1)
      parts.push_back(arm.name), all.push_back(arm.decoupled->front());
  }
  const auto joint = std::find_if(grid.arms.begin(), grid.arms.end(), [&](const Arm& arm) {
    return arm.decoupled && arm.decoupled->size() == all.size() &&
           std::is_permutation(all.begin(), all.end(), arm.decoupled->begin());
  });
  if (all.size() < 2 || joint == grid.arms.end() || !arms.contains(joint->name)) return nullptr;
  OrderedJson json = OrderedJson::object();
  const OrderedJson& of_joint = arms[joint->name];
  if (!of_joint.contains("sets")) return nullptr;
  for (const std::string& part : parts)
    if (!arms.contains(part) || arms[part]["seeds"] != of_joint["seeds"])
      return nullptr;  // one of them failed
  for (const auto& [set, modalities] : of_joint["sets"].items())
    for (const auto& each : modalities.items()) {
      const std::string& modality = each.key();
      Numbers values;
      for (size_t i = 0; i < of_joint["seeds"].size(); ++i) {
        std::optional<double> value = gain_of(of_joint, set, modality, i);
        for (const std::string& part : parts) {
          const auto alone = gain_of(arms[part], set, modality, i);
          value = value && alone ? std::optional(*value - *alone) : std::nullopt;
        }
        values.push_back(value);
      }
      json[set][modality] = summary_json(values);
    }
  return json;
}

OrderedJson losses_json(const runs::RunFolder& run) {
  OrderedJson json;
  for (const auto& [set, evaluated] : run.evaluation) {
    json[set] = evaluated.losses;
    if (evaluated.overall) json[set]["overall"] = *evaluated.overall;
  }
  return json;
}

OrderedJson run_json(const Run& run, const Grid& grid, const Folders& folders) {
  const runs::RunFolder& folder = folders.at(run.name);
  OrderedJson json = {{"recipe", run.recipe},
                      {"variant", grid.groups[run.group].variant},
                      {"arm", grid.arms[run.arm].name},
                      {"seed", run.seed}};
  json["model"] = words_of(grid, folders, run);
  json["state"] = "finished";
  json["steps"] = folder.final_step();
  json["tokens"] = folder.train.empty() ? 0 : folder.train.back().tokens;
  json["flops"] = folder.train.empty() ? 0 : folder.train.back().flops;
  if (folder.parameters) json["parameters"] = folder.parameters->value("parameters", Json());
  json["losses"] = losses_json(folder);
  json["resolved_recipe"] = folder.recipe;
  json["curves"] = curves_json(folder);
  return json;
}

OrderedJson run_timing(const runs::RunFolder& folder, const ProcessSums& sums) {
  OrderedJson json;
  const double flops = folder.train.empty() ? 0 : folder.train.back().flops;
  const auto seconds = compare::amount_at(folder, compare::Amount::kSeconds, flops),
             cpu_seconds = compare::amount_at(folder, compare::Amount::kCpuSeconds, flops);
  json["train_seconds"] = seconds ? OrderedJson(*seconds) : OrderedJson();
  json["train_cpu_seconds"] = cpu_seconds ? OrderedJson(*cpu_seconds) : OrderedJson();
  json["tokens_per_s"] =
      seconds && *seconds > 0 ? OrderedJson(folder.train.back().tokens / *seconds) : OrderedJson();
  json["process_seconds"] = sums.seconds;
  json["peak_rss_bytes"] = sums.peak_rss_bytes;
  json["clock"] = clock_json(folder);
  return json;
}

void add_texts(const Json& value, const std::string& name, OrderedJson& texts) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items())
      add_texts(inner, name.empty() ? key : name + "." + key, texts);
  } else if (!value.is_null()) {
    texts[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
}

// The machine and the versions of a run as texts by name: without the machine's own name, which means
// nothing to others, and without the list of shards, which the data's hash stands for.
OrderedJson environment_json(const runs::RunFolder& folder) {
  OrderedJson texts = OrderedJson::object();
  if (!folder.environment) return texts;
  add_texts(*folder.environment, "", texts);
  for (auto item = texts.begin(); item != texts.end();)
    item = item.key() == "machine.host" || item.key().starts_with("data.manifest") ? texts.erase(item)
                                                                                   : std::next(item);
  if (!folder.data_identity().empty()) texts["data.manifest, SHA-256"] = folder.data_identity();
  return texts;
}

// Distinct environments, each with its runs.
void add_environment(OrderedJson& environments, const runs::RunFolder& folder) {
  const OrderedJson values = environment_json(folder);
  for (OrderedJson& known : environments) {
    if (known["values"] != values) continue;
    known["runs"].push_back(folder.name);
    return;
  }
  environments.push_back({{"runs", OrderedJson::array({folder.name})}, {"values", values}});
}

Folders add_runs(StudyTables& tables, const Grid& grid, const Path& folder,
                 const std::map<std::string, std::string>& failed) {
  Folders folders;
  for (const Run& run : grid.runs)
    if (!failed.contains(run.name) && read_state(folder / "runs" / run.name).finished())
      folders[run.name] = runs::read_run_folder(folder / "runs" / run.name);
  const auto processes = read_processes(folder);
  for (const Run& run : grid.runs) {
    if (const auto error = failed.find(run.name); error != failed.end()) {
      tables.results["runs"][run.name] = {{"state", "failed"}, {"error", error->second}};
    } else if (!folders.contains(run.name)) {
      tables.results["runs"][run.name] = {{"state", "unfinished"}};
    } else {
      const auto& read = folders.at(run.name);
      const auto sums = processes.find(run.name);
      tables.results["runs"][run.name] = run_json(run, grid, folders);
      tables.timing["runs"][run.name] =
          run_timing(read, sums == processes.end() ? ProcessSums{} : sums->second);
      add_environment(tables.timing["environments"], read);
      for (const auto& [set, title] : read.set_titles) tables.results["set_titles"][set] = title;
    }
  }
  return folders;
}

}  // namespace

OrderedJson summary_json(const std::vector<std::optional<double>>& values) {
  const Summary summary = summarised(values);
  OrderedJson json = {{"values", OrderedJson::array()}, {"mean", nullptr}, {"interval", nullptr}};
  for (const auto& value : values) json["values"].push_back(value ? OrderedJson(*value) : OrderedJson());
  if (summary.mean) json["mean"] = *summary.mean;
  if (summary.interval) json["interval"] = {summary.interval->low, summary.interval->high};
  return json;
}

StudyTables make_tables(const StudyConfig& study, const Grid& grid, const Path& folder,
                        const std::map<std::string, std::string>& failed) {
  StudyTables tables;
  tables.results = {{"title", study.title},     {"baseline", grid.arms[grid.baseline].name},
                    {"seeds", grid.seeds},      {"eval_tokens", study.eval_tokens},
                    {"command", study.command}, {"groups", OrderedJson::object()}};
  const Folders folders = add_runs(tables, grid, folder, failed);
  for (size_t group = 0; group < grid.groups.size(); ++group) {
    const Group& of = grid.groups[group];
    OrderedJson json = {{"recipe", of.recipe}, {"variant", of.variant}, {"arms", OrderedJson::object()}};
    for (size_t arm = 0; arm < grid.arms.size(); ++arm) {
      if (arm == grid.baseline) continue;
      const Pairs pairs = pairs_of(grid, folders, group, arm);
      json["arms"][grid.arms[arm].name] = arm_json(pairs);
      tables.timing["groups"][of.name][grid.arms[arm].name] = arm_timing(pairs);
    }
    json["interaction"] = interaction_json(grid, json["arms"]);
    tables.results["groups"][of.name] = json;
  }
  return tables;
}

}  // namespace mom::study
