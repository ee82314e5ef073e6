#include "mom/serve/serve.h"

#include <filesystem>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/machine.h"
#include "mom/base/signals.h"
#include "mom/serve/pages.h"
#include "mom/serve/routes.h"

namespace mom::serve {
namespace {

bool is_loopback(const http::Options& options) {
  return !options.unix_socket.empty() || options.address.starts_with("127.") || options.address == "::1";
}

std::string place_of(const http::Options& options, const http::Server& server) {
  return options.unix_socket.empty() ? "http://" + options.address + ":" + std::to_string(server.port())
                                     : "unix:" + options.unix_socket;
}

// A folder that is no run and no model itself, and has folders in it.
bool holds_runs(const Path& folder) {
  if (!std::filesystem::is_directory(folder)) return false;
  for (const char* name : {"config.json", "checkpoints", "metrics.jsonl"})
    if (std::filesystem::exists(folder / name)) return false;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_directory()) return true;
  return false;
}

void serve_dashboard(const ServeOptions& options) {
  Dashboard dashboard(options.runs.front(), options.access);
  http::Server server(options.http,
                      [&](const http::Request& request, const std::shared_ptr<http::Exchange>& exchange) {
                        dashboard.handle(request, exchange);
                      });
  const std::string place = place_of(options.http, server);
  log_info("listening at " + place + ", showing the runs in " + options.runs.front().string());
  log_info("ready: " + place);
  server.run([] { return StopSignals::received() != 0; });
  log_info("stopped");
}

std::vector<WorkerOptions> models_of(const ServeOptions& options) {
  const size_t names = options.model_ids.size();
  if (names > 0 && names != options.runs.size())
    throw UserError({"--model-id", "one for each of " + std::to_string(options.runs.size()) + " models",
                     std::to_string(names), ""});
  std::vector<WorkerOptions> all;
  for (size_t i = 0; i < options.runs.size(); ++i) {
    if (options.runs.size() > 1 && holds_runs(options.runs[i]))
      throw UserError({"RUN", "runs", options.runs[i].string() + ", which holds runs itself",
                       "serve such a folder alone"});
    all.push_back(options.worker);
    all.back().run = options.runs[i];
    if (names > 0) all.back().model_id = options.model_ids[i];
  }
  return all;
}

}  // namespace

void serve(ServeOptions options) {
  if (!is_loopback(options.http) && options.access.api_key.empty())
    throw UserError({"--host", "127.0.0.1 or ::1 without --api-key", options.http.address,
                     "give a key that clients must know"});
  options.http.max_body_bytes = static_cast<uint64_t>(options.max_body_mib) << 20;
  options.http.refuse = [](int status, std::string_view message) {
    return to_response({status, std::string(message)});
  };
  options.access.any_host = !options.http.unix_socket.empty() || !is_loopback(options.http);
  const StopSignals signals;
  give_back_freed_memory();  // what requests need changes, and pages that are kept fragment without end
  if (options.runs.size() == 1 && holds_runs(options.runs.front())) {
    if (!options.model_ids.empty())
      throw UserError({"--model-id", "a run", options.runs.front().string() + ", which holds runs", ""});
    return serve_dashboard(options);
  }
  Workers workers(models_of(options));
  Routes routes(workers, options.access);
  http::Server server(options.http, [&](http::Request request, std::shared_ptr<http::Exchange> exchange) {
    routes.handle(std::move(request), std::move(exchange));
  });
  const std::string place = place_of(options.http, server);
  log_info("listening at " + place + ", loading " +
           (options.runs.size() == 1 ? "the model" : std::to_string(options.runs.size()) + " models"));
  bool told = false;
  server.run([&] {
    const Worker::State state = workers.state();
    if (state == Worker::State::kReady && !std::exchange(told, true))
      log_info("ready: " + workers.names() + " at " + place);
    return StopSignals::received() != 0 || state == Worker::State::kFailed;
  });
  if (workers.state() == Worker::State::kFailed)
    throw Error(static_cast<ExitCode>(workers.failed().failure_code()), workers.failed().failure());
  log_info("stopped");
}

}  // namespace mom::serve
