// For the browser tests: write_live_pages DIR RUNS: the live pages, and what the routes of a server over the folder RUNS
// would answer: runs.json, and page.json about the first two runs.
#include <iostream>

#include "mom/report/live.h"
#include "mom/report/page.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: write_live_pages DIR RUNS\n";
    return 2;
  }
  const mom::Path out = argv[1];
  mom::report::LiveRuns live(argv[2]);
  const mom::OrderedJson list = live.list();
  mom::publish_json(out / "runs.json", list);
  mom::publish_json(out / "page.json", live.page({list["runs"][0]["id"], list["runs"][1]["id"]}));
  for (const char* name : {"dashboard", "playground"})
    mom::publish_file(out / (std::string(name) + ".html"), mom::report::live_page(name));
  return 0;
}
