#include "mom/serve/serve.h"

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/signals.h"
#include "mom/serve/routes.h"

namespace mom::serve {
namespace {

bool is_loopback(const http::Options& options) {
  return !options.unix_socket.empty() || options.address.starts_with("127.") || options.address == "::1";
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
  Worker worker(options.worker);
  Routes routes(worker, options.access);
  http::Server server(options.http, [&](http::Request request, std::shared_ptr<http::Exchange> exchange) {
    routes.handle(std::move(request), std::move(exchange));
  });
  const std::string place = options.http.unix_socket.empty()
                                ? "http://" + options.http.address + ":" + std::to_string(server.port())
                                : "unix:" + options.http.unix_socket;
  log_info("listening at " + place + ", loading the model");
  bool told = false;
  server.run([&] {
    const Worker::State state = worker.state();
    if (state == Worker::State::kReady && !std::exchange(told, true))
      log_info("ready: " + worker.card().id + " at " + place);
    return StopSignals::received() != 0 || state == Worker::State::kFailed;
  });
  if (worker.state() == Worker::State::kFailed)
    throw Error(static_cast<ExitCode>(worker.failure_code()), worker.failure());
  log_info("stopped");
}

}  // namespace mom::serve
