#include <memory>

#include "apps/mom/verbs.h"
#include "mom/train/run.h"

namespace mom::app {

void add_train_verb(CLI::App& app) {
  auto options = std::make_shared<train::RunOptions>();
  CLI::App* verb = app.add_subcommand("train", "train a recipe");
  verb->footer(
      [] { return "Recipe keys (set in the file or with --set table.key=value):\n" + train::recipe_help(); });
  verb->add_option("RECIPE", options->recipe, "recipe, TOML")->required();
  verb->add_option("--run", options->run, "folder to train into");
  verb->add_option("--set", options->overrides, "override a key: table.key=value (repeat)")->take_all();
  CLI::Option* resume = verb->add_flag(
      "--resume", options->resume,
      "resume from the run's newest checkpoint; start if there is none. Data that moved and other "
      "eval.* or checkpoint.* are taken; what would change the result is refused");
  verb->add_flag("--force", options->force,
                 "with --resume: also with other keys of [train], say more train.steps")
      ->needs(resume);
  verb->add_flag("--dry-run", options->dry_run, "print the plan (parameters, FLOPs, memory) and stop");
  verb->add_option("--stop-at", options->stop_at, "save and stop after this step, exit 75")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--json", options->json, "with --dry-run: one JSON object");
  verb->callback([options] { train::run_training(*options); });
}

}  // namespace mom::app
