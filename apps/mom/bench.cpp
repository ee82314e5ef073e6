#include "apps/mom/verbs.h"
#include "mom/train/time_steps.h"

namespace mom::app {

void add_bench_verb(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("bench", "time what a recipe does (single ops: the program mom-bench)");
  verb->require_subcommand(1);
  struct Options {
    std::string recipe;
    std::vector<std::string> overrides;
    int64_t steps = 20;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* train = verb->add_subcommand("train", "time whole training steps of a recipe on its data");
  train->add_option("RECIPE", options->recipe, "recipe to time")->required();
  train->add_option("--set", options->overrides, "TABLE.KEY=VALUE, overrides the recipe");
  train->add_option("--steps", options->steps, "steps to time, after three of warm-up")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
      ->capture_default_str();
  train->add_flag("--json", options->json, "one JSON object on stdout");
  train->callback([options] {
    const OrderedJson result = train::time_steps(options->recipe, options->overrides, options->steps);
    if (options->json) return print_json(result);
    for (const auto& [key, value] : result.items())
      std::printf("%-22s %.6g\n", key.c_str(), value.get<double>());
  });
}

}  // namespace mom::app
