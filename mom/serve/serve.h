// `mom serve RUN...`: an HTTP API around trained models, and a page to try them. One I/O thread (mom/http), and for each model
// an engine thread (worker.h). `mom serve FOLDER`, of a folder with runs or studies in it: a page about them while they train
// (pages.h). The entry has no torch.
#pragma once

#include "mom/serve/access.h"
#include "mom/serve/worker.h"

namespace mom::serve {

struct ServeOptions {
  std::vector<Path> runs;
  std::vector<std::string> model_ids;  // none, or one for each run
  WorkerOptions worker;                // what is the same for all
  http::Options http;
  Access access;
  int64_t max_body_mib = 32;
};

// Serves until SIGINT or SIGTERM, then finishes what was begun. UserError, InputError: options, the address, the model.
void serve(ServeOptions options);

}  // namespace mom::serve
