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
  verb->callback([options] { bench::run(options->names, options->list, options->json); });
}

}  // namespace mom::app
