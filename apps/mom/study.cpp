#include "mom/study/study.h"

#include <iostream>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/models/backbones.h"
#include "mom/models/model_spec.h"

namespace mom::app {
namespace {

struct Arguments {
  study::StudyOptions options;
  bool plan = false, json = false;
};

void plan(const Arguments& arguments) {
  const OrderedJson prediction = study::plan_study(arguments.options);
  if (arguments.json) return print_json(prediction);
  std::cout << study::plan_text(prediction) << std::flush;
}

void run(const Arguments& arguments) {
  if (arguments.options.out.empty()) throw UserError("--out: expected the study's folder, found nothing");
  const study::StudyResult result = study::run_study(arguments.options);
  if (arguments.json)
    print_json(result.results);
  else
    std::cout << result.page << std::flush;
  if (result.failure) throw *result.failure;
}

}  // namespace

void add_study_verb(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  arguments->options.known = {models::backbone_names(), models::all_projections()};
  CLI::App* verb = app.add_subcommand("study", "train a grid of runs and compare them over seeds");
  verb->footer([arguments] {
    return "Study keys (set in the file or with --set key=value; --set table.key=value goes to every "
           "recipe):\n" +
           study::study_help(arguments->options.known);
  });
  verb->add_option("STUDY", arguments->options.study, "study, TOML")->required();
  verb->add_option("--out", arguments->options.out,
                   "folder for its runs and tables; an existing study is continued");
  verb->add_option("--set", arguments->options.overrides, "override a key (repeat)")->take_all();
  verb->add_flag("--plan", arguments->plan, "predict time and memory from short probes, and stop");
  verb->add_flag("--json", arguments->json, "one JSON object on stdout");
  verb->callback([arguments] { arguments->plan ? plan(*arguments) : run(*arguments); });
}

}  // namespace mom::app
