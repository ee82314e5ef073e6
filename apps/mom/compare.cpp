#include <iostream>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/compare/compare.h"
#include "mom/compare/table.h"

namespace mom::app {
namespace {

struct CompareOptions {
  std::string dense, set;
  std::vector<std::string> mixes;
  bool json = false;
};

void compare(const CompareOptions& options) {
  const auto dense = runs::read_run_folder(options.dense);
  std::vector<compare::Comparison> comparisons;
  for (const std::string& mix : options.mixes) {
    comparisons.push_back(compare::compare_runs(dense, runs::read_run_folder(mix), options.set));
  }
  if (!options.json) {
    for (size_t i = 0; i < comparisons.size(); ++i) {
      std::cout << (i > 0 ? "\n" : "") << compare::table_text(comparisons[i]);
    }
    std::cout.flush();
  } else if (comparisons.size() == 1) {
    print_json(compare::to_json(comparisons.front()));
  } else {
    OrderedJson all;
    for (const auto& comparison : comparisons) all["runs"].push_back(compare::to_json(comparison));
    print_json(all);
  }
}

}  // namespace

void add_compare_verb(CLI::App& app) {
  auto options = std::make_shared<CompareOptions>();
  auto* verb = app.add_subcommand("compare", "gain and FLOPs to match against a baseline run, per modality");
  verb->add_option("BASELINE_RUN", options->dense, "run folder compared with, most often the dense model")
      ->required();
  verb->add_option("RUN", options->mixes, "run folders compared with it, of any backbone")->required();
  verb->add_option("--set", options->set,
                   "held-out set of the verdict (default: the one with the most modalities)");
  verb->add_flag("--json", options->json, "one JSON object on stdout");
  verb->callback([options] { compare(*options); });
}

}  // namespace mom::app
