// mom-bench: times ops and stages, each checked against its reference first.
#include "apps/program.h"
#include "bench/bench.h"

int main(int argc, char** argv) {
  CLI::App app("mom-bench: time ops and stages, each checked against its reference first", "mom-bench");
  std::vector<std::string> names;
  bool list = false, json = false;
  app.add_option("NAME", names, "benches to run, by name or its beginning (default: all)");
  app.add_flag("--list", list, "list the benches and run none");
  app.add_flag("--json", json, "one JSON object on stdout");
  app.callback([&] { mom::bench::run(names, list, json); });
  return mom::app::run_program(app, argc, argv);
}
