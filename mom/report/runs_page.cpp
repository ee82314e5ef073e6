#include "mom/report/runs_page.h"

#include <algorithm>
#include <set>

#include "mom/compare/comparable.h"
#include "mom/compare/verdict.h"
#include "mom/report/curves.h"
#include "mom/report/expert_use.h"

namespace mom::report {
namespace {

using compare::Comparison;
using runs::RunFolder;

constexpr size_t kManyRecipes = 4;  // the first, and what differs, say them all
OrderedJson experts_json(const ExpertUse& use) {
  OrderedJson json = {{"first_step", use.first_step},
                      {"last_step", use.last_step},
                      {"count", use.num_experts},
                      {"idle", use.num_idle},
                      {"in_all_blocks", use.num_in_all_blocks}};
  if (use.dropped) json["dropped"] = *use.dropped;
  if (use.balance) json["balance"] = *use.balance;
  if (use.entropy) json["entropy"] = *use.entropy;
  json["shares"] = OrderedJson::array();
  for (const ExpertShares& shares : use.shares) {
    OrderedJson blocks = OrderedJson::array();
    for (const auto& [block, row] : shares.by_block) blocks.push_back({{"block", block}, {"shares", row}});
    json["shares"].push_back({{"modality", shares.modality}, {"blocks", std::move(blocks)}});
  }
  return json;
}

OrderedJson final_losses(const Subject& subject, const RunFolder& run) {
  const bool from_file = std::all_of(subject.runs.begin(), subject.runs.end(), compare::evaluated_at_end);
  OrderedJson losses = OrderedJson::array();
  for (const auto& [set, points] : run.evals)
    for (const std::string& modality : compare::modalities_of(run, set))
      if (const auto loss = compare::final_loss(run, set, modality, compare::trained_sum_of(run), from_file))
        losses.push_back({{"set", set}, {"modality", modality}, {"loss", number_json(*loss, kTableDigits)}});
  return losses;
}

std::optional<double> median_rate(const RunFolder& run) {
  std::vector<double> rates;
  for (const auto& point : run.train)
    if (point.tokens_per_s) rates.push_back(*point.tokens_per_s);
  if (rates.empty()) return std::nullopt;
  const auto middle = rates.begin() + std::ssize(rates) / 2;
  std::nth_element(rates.begin(), middle, rates.end());
  return *middle;
}

OrderedJson row_json(const compare::Row& row) {
  OrderedJson json = {{"set", row.set},
                      {"modality", row.modality},
                      {"baseline", amount_json(row.dense_loss)},
                      {"model", amount_json(row.mix_loss)},
                      {"gain", amount_json(row.gain)}};
  json["gain"]["outcome"] = compare::outcome_name(compare::outcome_of(row.gain));
  json["flops_to_match"] = row.flops_to_match ? amount_json(*row.flops_to_match)
                                              : OrderedJson{{"words", compare::match_text(row)}};
  json["slope"] = row.flops_to_match_slope ? amount_json(*row.flops_to_match_slope)
                                           : OrderedJson{{"words", compare::slope_text(row)}};
  if (row.dense_self_match) json["self_match"] = *row.dense_self_match;
  json["flat"] = compare::is_flat(row);
  return json;
}

OrderedJson comparison_json(const Subject& subject, const Comparison& comparison) {
  OrderedJson json = {{"baseline", comparison.dense_name},
                      {"model", comparison.mix_name},
                      {"baseline_run", index_of(subject, comparison.dense_path)},
                      {"run", index_of(subject, comparison.mix_path)},
                      {"set", comparison.set},
                      {"source", comparison.loss_source},
                      {"step_flops", compare::flops_text(comparison)},
                      {"warnings", comparison.warnings},
                      {"rows", OrderedJson::array()}};
  for (const compare::Row& row : comparison.rows) json["rows"].push_back(row_json(row));
  return json;
}

void flatten(const Json& value, const std::string& name, OrderedJson& out) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) flatten(inner, name.empty() ? key : name + "." + key, out);
  } else if (!value.is_null()) {
    out[name] = value.is_string() ? value.get<std::string>()
                                  : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

OrderedJson run_commands(const Subject& subject) {
  OrderedJson commands = OrderedJson::array();
  const auto again = [](const Path& path) { return path.string() + "-again"; };
  for (const RunFolder& run : subject.runs) {
    commands.push_back(
        shell_words({"mom", "train", (run.path / "recipe.toml").string(), "--run", again(run.path)}));
    commands.push_back(shell_words({"mom", "eval", again(run.path)}));
  }
  for (const Comparison& comparison : subject.comparisons)
    commands.push_back(
        shell_words({"mom", "compare", again(comparison.dense_path), again(comparison.mix_path)}));
  return commands;
}

// "A and B", "A, B and C": each model once.
std::string title_of(const Subject& subject) {
  if (subject.comparisons.empty()) return "Run " + subject.runs.front().name;
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const auto& comparison : subject.comparisons) add(comparison.mix_name), add(comparison.dense_name);
  std::string title = names.front();
  for (size_t i = 1; i < names.size(); ++i) title += (i + 1 < names.size() ? ", " : " and ") + names[i];
  return title;
}

// With the run's name where several verdicts are about the same model.
OrderedJson verdicts_json(const Subject& subject) {
  std::map<std::string, int> count;
  for (const Comparison& comparison : subject.comparisons) ++count[comparison.mix_name];
  OrderedJson verdicts = OrderedJson::array();
  for (const Comparison& comparison : subject.comparisons)
    verdicts.push_back(
        (count[comparison.mix_name] > 1 ? comparison.mix_path.filename().string() + ": " : "") +
        compare::verdict(comparison));
  return verdicts;
}

OrderedJson recipes_of(const Runs& runs) {
  std::vector<RecipeOf> recipes;
  for (const RunFolder& run : runs) recipes.push_back({run.name, run.recipe_text, &run.recipe});
  return OrderedJson::array({recipes_json("", recipes, recipes.size() > kManyRecipes ? 1 : recipes.size())});
}

}  // namespace

std::vector<std::string> labels_of(const Runs& runs) {
  std::map<std::string, int> count;
  for (const RunFolder& run : runs) ++count[run.model_name()];
  std::vector<std::string> labels;
  for (const RunFolder& run : runs) {
    const std::string name = run.model_name();
    labels.push_back(count[name] > 1 ? name + " (" + run.name + ")" : name);
  }
  return labels;
}

bool experts_choose(const RunFolder& run) {
  return run.has_experts() && run.recipe_value("model.router") == "expert_choice";
}

OrderedJson amount_json(double value) { return {{"mean", number_json(value, kTableDigits)}}; }

OrderedJson amount_json(const compare::Summary& summary, const std::string& words) {
  OrderedJson json = summary.mean ? amount_json(*summary.mean) : OrderedJson{{"words", words}};
  if (summary.mean && summary.values.size() == 1) return json;
  for (const auto& value : summary.values)
    json["values"].push_back(value ? number_json(*value, kTableDigits) : OrderedJson(nullptr));
  if (!summary.interval) return json;
  const auto [low, high] = std::minmax_element(summary.values.begin(), summary.values.end());
  if (summary.interval->low != **low || summary.interval->high != **high)
    json["interval"] = {number_json(summary.interval->low, kTableDigits),
                        number_json(summary.interval->high, kTableDigits)};
  return json;
}

OrderedJson trained_json(const modality::TrainedSum& trained) {
  if (trained.weight == 0) return nullptr;
  return {{"tokens", trained.tokens}, {"latents", trained.latents}, {"weight", trained.weight}};
}

OrderedJson runs_json(const Subject& subject) {
  const std::vector<std::string> labels = labels_of(subject.runs);
  OrderedJson all = OrderedJson::array();
  for (size_t i = 0; i < subject.runs.size(); ++i) {
    const RunFolder& run = subject.runs[i];
    OrderedJson json = {{"name", run.name},
                        {"label", labels[i]},
                        {"model", run.model_name()},
                        {"setting", run.setting()},
                        {"seed", run.recipe_value("seed", "unknown")},
                        {"step", run.final_step()}};
    if (!run.train.empty()) json["tokens"] = run.train.back().tokens, json["flops"] = run.train.back().flops;
    if (const auto rate = median_rate(run)) json["tokens_per_s"] = *rate;
    json["weights"] = run.has_experts()  ? (experts_choose(run) ? "experts choose" : "router")
                      : run.is_mixture() ? "modality"
                                         : "shared";
    if (const auto use = expert_use(run)) json["experts"] = experts_json(*use);
    if (run.parameters) json["parameters"] = *run.parameters;
    json["losses"] = final_losses(subject, run);
    all.push_back(std::move(json));
  }
  return all;
}

void add_samples(OrderedJson& page, const Runs& runs) {
  Media media;
  page["denoised"] = denoised_json(runs, media);
  page["predicted"] = predicted_json(runs, media);
  page["generation"] = generation_json(runs, media);
  page["codecs"] = codecs_json(runs, media);
  page["media"] = media.take();
}

OrderedJson environments_json(const Runs& runs) {
  OrderedJson all = OrderedJson::array();
  for (const RunFolder& run : runs) {
    OrderedJson values = OrderedJson::object();
    if (run.environment) flatten(*run.environment, "", values);
    for (auto at = values.begin();
         at != values.end();) {  // a manifest lists every shard: its hash stands for it
      const bool left_out = at.key().starts_with("data.manifest") || at.key() == "machine.host";
      left_out ? void(at = values.erase(at)) : void(++at);
    }
    if (!run.data_identity().empty()) values["data.manifest, SHA-256"] = run.data_identity() + "…";
    all.push_back({{"runs", {run.name}}, {"values", std::move(values)}});
  }
  return all;
}

OrderedJson recipes_json(const std::string& title, const std::vector<RecipeOf>& recipes, size_t num_texts) {
  std::set<std::string> keys, differing;
  const auto value_of = [](const RecipeOf& recipe, const std::string& key) {
    const auto found = recipe.values->find(key);
    return found == recipe.values->end() ? "unset" : found->second;
  };
  for (const RecipeOf& recipe : recipes)
    for (const auto& [key, value] : *recipe.values) keys.insert(key);
  for (const std::string& key : keys)
    for (const RecipeOf& recipe : recipes)
      if (value_of(recipe, key) != value_of(recipes.front(), key)) differing.insert(key);
  OrderedJson json = {{"title", title}, {"keys", differing}};
  std::set<std::string> shown;
  for (const RecipeOf& recipe : recipes) {
    OrderedJson values = OrderedJson::array();
    for (const std::string& key : differing) values.push_back(value_of(recipe, key));
    json["recipes"].push_back({{"name", recipe.name}, {"values", std::move(values)}});
    if (shown.size() < num_texts && shown.insert(recipe.text).second)
      json["recipes"].back()["text"] = recipe.text;
  }
  return json;
}

std::string shell_words(const std::vector<std::string>& words) {
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./=:,+@%";
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

OrderedJson runs_page(const Subject& subject) {
  std::vector<std::string> command = {"mom", "report"};
  command.insert(command.end(), subject.command.begin(), subject.command.end());
  std::set<std::string> seeds;
  for (const RunFolder& run : subject.runs) seeds.insert(run.recipe_value("seed", "unknown"));
  OrderedJson page = {{"format", "mom page"},
                      {"version", 1},
                      {"kind", "runs"},
                      {"title", title_of(subject)},
                      {"verdicts", verdicts_json(subject)},
                      {"seeds", seeds},
                      {"sets", subject.set_titles},
                      {"trained", trained_json(compare::trained_sum_of(subject.runs.front()))},
                      {"runs", runs_json(subject)},
                      {"comparisons", OrderedJson::array()},
                      {"panels", OrderedJson::array({run_panel(subject)})},
                      {"experts", expert_panel(subject)},
                      {"recipes", recipes_of(subject.runs)},
                      {"environments", environments_json(subject.runs)},
                      {"commands", {{"runs", run_commands(subject)}, {"page", shell_words(command)}}},
                      {"notes", subject.notes}};
  for (const Comparison& comparison : subject.comparisons)
    page["comparisons"].push_back(comparison_json(subject, comparison));
  add_samples(page, subject.runs);
  return page;
}

}  // namespace mom::report
