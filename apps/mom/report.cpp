#include <iostream>
#include <memory>

#include "apps/mom/verbs.h"
#include "mom/report/report.h"

namespace mom::app {

void add_report_verb(CLI::App& app) {
  struct Options {
    std::vector<std::string> inputs;
    std::string out;
  };
  auto options = std::make_shared<Options>();
  auto* verb =
      app.add_subcommand("report", "one self-contained HTML page about one or several runs, or a study");
  verb->add_option("RUN_OR_STUDY", options->inputs, "run folders, folders of runs, or a study")->required();
  verb->add_option("--out", options->out, "the page to write")->required();
  verb->callback([options] {
    const std::vector<Path> inputs(options->inputs.begin(), options->inputs.end());
    for (const std::string& verdict : report::write_report(inputs, options->out))
      std::cout << verdict << "\n";
    std::cout << "wrote " << options->out << std::endl;
  });
}

}  // namespace mom::app
