#include "mom/study/config.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/machine.h"
#include "mom/config/schema.h"

namespace mom::study {
namespace {

// Part of a run's folder name.
bool is_name(const std::string& text) {
  return !text.empty() && text[0] != '.' && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == '+';
  });
}

// Keys of recipes that the grid decides, and the study's keys that say how.
using Decided = std::vector<std::pair<std::string, std::string>>;
const Decided kByModel = {{"seed", "seeds"}};
Decided by_grid(const StudyConfig& study) {
  Decided keys = {{"model.backbone", "backbones"}, {"seed", "seeds"}};
  if (!study.decoupled.empty()) keys.emplace_back("model.decoupled", "decoupled");
  return keys;
}

// What is decided must not be set as well.
void check_assignments(const std::vector<std::string>& assignments, const std::string& where,
                       const Decided& decided) {
  for (const std::string& assignment : assignments) {
    const std::string key = key_of(assignment);
    if (assignment.find('=') == std::string::npos || key.empty())
      throw UserError({where, "\"table.key=value\"", "\"" + assignment + "\"", ""});
    for (const auto& [taken, instead] : decided)
      if (key == taken)
        throw UserError(
            {where, "a key that the grid does not decide", key, "use the study's `" + instead + "`"});
  }
}

// Of the tables [[KIND]].
void check_named(const std::vector<config::NamedSettings>& tables, const std::string& where,
                 const Decided& decided) {
  std::set<std::string> names;
  for (const config::NamedSettings& table : tables) {
    const std::string quoted = "\"" + table.name + "\"";
    if (!is_name(table.name)) throw UserError({where, "a name of letters, digits and _ . - +", quoted, ""});
    if (!names.insert(table.name).second)
      throw UserError({where, "names that differ", quoted + " twice", ""});
    check_assignments(table.set, where + " " + quoted, decided);
  }
}

void check(const StudyConfig& study, const std::string& where) {
  const auto need = [&](bool there, const std::string& key, const std::string& expected) {
    if (!there) throw UserError({where + ": " + key, expected, "none", ""});
  };
  need(!study.recipes.empty(), "recipes", "at least one recipe");
  need(!study.backbones.empty(), "backbones", "at least one backbone");
  need(!study.seeds.empty(), "seeds", "at least one seed");
  check_named(study.variants, where + ": variant", by_grid(study));
  check_named(study.models, where + ": model", kByModel);
  check_assignments(study.set, where + ": set", by_grid(study));
}

}  // namespace

std::string key_of(const std::string& assignment) {
  std::string key = assignment.substr(0, assignment.find('='));
  key.erase(key.find_last_not_of(" \t") + 1);
  return key.erase(0, key.find_first_not_of(" \t"));
}

config::Schema StudyConfig::schema(const Known& known) {
  config::Schema schema;
  config::Table& top = schema.table("", "the grid: recipes x variants x models x seeds");
  top.field("title", title, "heading of the tables; empty: the file's name");
  top.field("recipes", recipes, "recipe files, relative to the current folder");
  top.field("backbones", backbones, "models to train").one_of(known.backbones);
  top.field("decoupled", decoupled,
            "subsets of mixture_of_mamba's projections, each \"in_proj+out_proj\", \"none\" (runs as "
            "mamba), \"all\", or \"all_subsets\" for all 16; empty: as the recipe says")
      .or_one();
  top.field("model", models,
            "tables [[model]] with name and set, a list of \"table.key=value\": models beside those, such as "
            "controls, compared with the same baseline");
  top.field("baseline", baseline, "the model the others are compared with, by its name in the tables");
  top.field("seeds", seeds, "each model is trained once per seed").range(0, 9007199254740992.0);
  top.field(
      "variant", variants,
      "tables [[variant]] with name and set, a list of \"table.key=value\": sizes and other changes of the "
      "recipes, each with a baseline of its own");
  top.field("set", set, "\"table.key=value\" for every recipe");
  top.field("runs_at_once", runs_at_once,
            "runs trained side by side; 0: as many as the processor has room for")
      .range(0, 1024);
  top.field("threads_per_run", threads_per_run, "threads of one run").range(1, 1024);
  top.field("eval_tokens", eval_tokens,
            "about how many tokens of each held-out set the final losses are over; 0: all")
      .range(0, 1e12);
  return schema;
}

StudyConfig load_study(const Path& file, const std::vector<std::string>& overrides, const Known& known) {
  StudyConfig study;
  config::Schema schema = study.schema(known);
  config::load_toml(schema, file);
  std::vector<std::string> for_recipes;
  for (const std::string& assignment : overrides) {
    const std::string key = key_of(assignment);
    if (key.find('.') == std::string::npos)
      config::apply_override(schema, assignment);
    else
      for_recipes.push_back(assignment);
  }
  check_assignments(for_recipes, "--set", by_grid(study));
  check(study, file.string());
  // After the variant's own: the command line wins.
  if (study.variants.empty()) study.variants.push_back({"", {}});
  for (config::NamedSettings& variant : study.variants)
    variant.set.insert(variant.set.end(), for_recipes.begin(), for_recipes.end());
  if (study.title.empty()) study.title = file.stem().string();
  study.command = {"mom", "study", file.string()};
  for (const std::string& assignment : overrides)
    study.command.insert(study.command.end(), {"--set", assignment});
  return study;
}

int64_t runs_at_once(const StudyConfig& study) {
  const int64_t threads = std::max(1, read_machine(".").threads_allowed);
  const int64_t fit = std::max<int64_t>(1, threads / study.threads_per_run);
  if (study.runs_at_once > fit)
    log_warning(std::to_string(study.runs_at_once) + " runs of " + std::to_string(study.threads_per_run) +
                " threads at once share " + std::to_string(threads) +
                " processors: they wait for each other");
  return study.runs_at_once > 0 ? study.runs_at_once : fit;
}

std::string study_help(const Known& known) {
  StudyConfig study;
  return config::help_text(study.schema(known));
}

}  // namespace mom::study
