#include <memory>

#include "apps/mom/verbs.h"
#include "mom/base/error.h"
#include "mom/dist/launch.h"
#include "mom/train/run.h"

namespace mom::app {

namespace {

void train_in_processes(const train::RunOptions& options, dist::LaunchOptions launch) {
  if (options.run.empty()) throw UserError("--run: expected the folder to train into, found nothing");
  launch.program = std::filesystem::read_symlink("/proc/self/exe");
  launch.arguments = dist::without_options(dist::own_arguments(), {"--processes", "--restarts"});
  launch.logs = options.run / "logs";
  dist::launch(launch);
}

}  // namespace

void add_train_verb(CLI::App& app) {
  auto launch = std::make_shared<dist::LaunchOptions>();
  auto options = std::make_shared<train::RunOptions>();
  CLI::App* verb = app.add_subcommand("train", "train a recipe");
  verb->footer(
      [] { return "Recipe keys (set in the file or with --set table.key=value):\n" + train::recipe_help(); });
  verb->add_option("RECIPE", options->recipe, "recipe, TOML")->required();
  verb->add_option("--run", options->run, "folder to train into");
  verb->add_option("--set", options->overrides, "override a key: table.key=value (repeat)")->take_all();
  verb->add_option_function<std::string>(
      "--device",
      [options](const std::string& device) { options->overrides.push_back("train.device=" + device); },
      kDeviceHelp);
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
  CLI::Option* processes =
      verb->add_option(
              "--processes", launch->processes,
              "train in this many processes of this machine; the result is the same (docs/scaling.md)")
          ->check(CLI::Range(1, 1024));
  verb->add_option(
          "--restarts", launch->restarts,
          "with --processes: after a crash, start all again from the newest checkpoint, at most this often")
      ->needs(processes)
      ->check(CLI::NonNegativeNumber);
  verb->callback([options, launch] {
    options->processes = launch->processes;
    if (!options->dry_run && (launch->processes > 1 || launch->restarts > 0))
      train_in_processes(*options, *launch);
    else
      train::run_training(*options);
  });
}

}  // namespace mom::app
