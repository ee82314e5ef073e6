#include "bench/bench.h"

#include "apps/mom/verbs.h"

namespace mom::app {

void add_bench_verb(CLI::App& app) {
  struct Options {
    std::vector<std::string> names;
    bool list = false, json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("bench", "time ops and stages, each checked against its reference first");
  verb->add_option("NAME", options->names, "benches to run, by name or its beginning (default: all)");
  verb->add_flag("--list", options->list, "list the benches and run none");
  verb->add_flag("--json", options->json, "one JSON object on stdout");
  verb->require_subcommand(0, 1);
  struct TrainOptions {
    std::string recipe;
    std::vector<std::string> overrides;
    int64_t steps = 20;
    bool json = false;
  };
  auto train = std::make_shared<TrainOptions>();
  CLI::App* of_recipe = verb->add_subcommand("train", "time whole training steps of a recipe on its data");
  of_recipe->add_option("RECIPE", train->recipe, "recipe to time")->required();
  of_recipe->add_option("--set", train->overrides, "TABLE.KEY=VALUE, overrides the recipe");
  of_recipe->add_option("--steps", train->steps, "steps to time, after three of warm-up")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
      ->capture_default_str();
  of_recipe->add_flag("--json", train->json, "one JSON object on stdout");
  of_recipe->callback(
      [train] { bench::run_train(train->recipe, train->overrides, train->steps, train->json); });
  verb->callback([options, of_recipe] {
    if (!of_recipe->parsed()) bench::run(options->names, options->list, options->json);
  });
}

}  // namespace mom::app
