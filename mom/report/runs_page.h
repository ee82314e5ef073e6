// The page about runs as data (docs/formats/page.md), and the parts of it that the page about a study has, too.
#pragma once

#include <string>
#include <vector>

#include "mom/compare/statistics.h"
#include "mom/modality/presets.h"
#include "mom/report/media.h"
#include "mom/report/report.h"
#include "mom/report/samples.h"

namespace mom::report {

OrderedJson runs_page(const Subject& subject);

// A label for each run: the model in words, with the run's name where two would be the same.
std::vector<std::string> labels_of(const Runs& runs);
bool experts_choose(const runs::RunFolder& run);  // else tokens choose

inline constexpr int kTableDigits = 7;  // of numbers in tables: what losses have, which are means of f32
// An AMOUNT: a number, or a mean over seeds with its interval and values; `words` where there is no mean.
OrderedJson amount_json(double value);
OrderedJson amount_json(const compare::Summary& summary, const std::string& words);
// What training minimises; null where that is one mean over tokens.
OrderedJson trained_json(const modality::TrainedSum& trained);
// Runs as the head of a page names them, with the use of their experts, and what can be seen and heard of them.
OrderedJson runs_json(const Subject& subject);
void add_samples(OrderedJson& page, const Runs& runs);
// The curves of the runs.
OrderedJson run_panel(const Subject& subject);
// How routers are used over the training; null without experts.
OrderedJson expert_panel(const Subject& subject);
// Each run's environment.json as "machine.processor" -> text. Not the name of the machine: pages are shared.
OrderedJson environments_json(const Runs& runs);

// Recipes that are shown together: the keys that differ among them, and the whole text of some.
struct RecipeOf {
  std::string name, text;
  const std::map<std::string, std::string>* values;
};
OrderedJson recipes_json(const std::string& title, const std::vector<RecipeOf>& recipes, size_t num_texts);

// Words for a shell: quoted where needed.
std::string shell_words(const std::vector<std::string>& words);

}  // namespace mom::report
