// From a request to its answer: which route it is, who may ask, and how the engine's events become bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mom/serve/access.h"
#include "mom/serve/pages.h"
#include "mom/serve/workers.h"

namespace mom::serve {

class Routes {
 public:
  Routes(Workers& workers, Access access) : workers_(workers), access_(std::move(access)) {}
  // On the I/O thread; returns at once.
  void handle(http::Request request, std::shared_ptr<http::Exchange> exchange);

 private:
  void route(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange);
  // The model that a request's body names.
  Worker& worker_of(const http::Request& request) const;
  void generate(Worker& worker, Plan plan, const http::Request& request,
                const std::shared_ptr<http::Exchange>& exchange);
  void tokenize(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange);
  void detokenize(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange);
  http::Response health() const;

  Workers& workers_;
  const Access access_;
  const Page playground_{"playground"};  // at "/"
};

// Methods and paths, "/v1/models/{model}" among them. web/openapi.json, which /openapi.json answers, describes each of them.
std::vector<std::pair<std::string, std::string>> route_names();
std::string_view embedded_file(std::string_view name);

// What the server says about itself; functions of cards and numbers alone.
struct ModelStats {
  std::string model;  // its name
  WorkerStats stats;
};
std::string model_json(const Card& card);
std::string models_json(const std::vector<Card>& cards);
std::string props_json(const Card& card, const WorkerOptions& limits);
std::string slots_json(const std::vector<ModelStats>& models);
std::string metrics_text(const std::vector<ModelStats>& models);

}  // namespace mom::serve
