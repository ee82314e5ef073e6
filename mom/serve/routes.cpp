#include "mom/serve/routes.h"

#include <algorithm>
#include <utility>

#include "mom/serve/event_stream.h"
#include "mom/serve/fields.h"
#include "mom/serve/formats.h"
#include "mom/serve/requests.h"

namespace mom::serve {
namespace {

constexpr int64_t kMaxDetokenized = 1'000'000;
constexpr std::chrono::milliseconds kPace{10};  // less than mom/http waits for more
constexpr const char* kModels = "/v1/models/";

struct Route {
  const char* method;
  std::string path;
  Plan (*plan)(const std::string& body, const Card& card) = nullptr;
};

// As web/openapi.json has them.
const std::vector<Route>& routes() {
  static const std::vector<Route> kRoutes = {{"POST", "/v1/chat/completions", plan_chat},
                                             {"POST", "/v1/completions", plan_completion},
                                             {"POST", "/v1/images/generations", plan_image},
                                             {"POST", "/v1/audio/speech", plan_speech},
                                             {"POST", kTranscriptions},
                                             {"POST", "/tokenize"},
                                             {"POST", "/detokenize"},
                                             {"GET", "/v1/models"},
                                             {"GET", std::string(kModels) + "{model}"},
                                             {"GET", "/"},
                                             {"GET", "/health"},
                                             {"GET", "/props"},
                                             {"GET", "/slots"},
                                             {"GET", "/metrics"},
                                             {"GET", "/openapi.json"}};
  return kRoutes;
}

// Null: there is none.
const Route* find_route(const std::string& path) {
  for (const Route& route : routes())
    if (route.path == path || (route.path.ends_with('}') && path.starts_with(kModels))) return &route;
  return nullptr;
}

// Sends events as they come, or keeps them for an answer in one piece.
class FormatSink : public Sink {
 public:
  FormatSink(std::shared_ptr<http::Exchange> exchange, std::unique_ptr<Format> format, bool stream,
             std::vector<std::pair<std::string_view, std::string>> headers)
      : exchange_(std::move(exchange)),
        format_(std::move(format)),
        stream_(stream),
        headers_(std::move(headers)) {}

  void event(Event event) override {
    begin();
    // A preview is of the moment.
    const bool kept = event.kind != Event::Kind::kPreview && (!stream_ || format_->last_tells_all());
    if (stream_) {
      sent_->add(kept ? event : std::move(event));
      exchange_->more();
    }
    if (kept) add_event(events_, std::move(event));
  }
  void done(const Usage& usage) override {
    begin();
    if (!stream_) {
      http::Response response = format_->whole(events_, usage);
      response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
      return exchange_->respond(std::move(response));
    }
    end_with(format_->last(events_, usage));
  }
  void failed(const ApiError& error) override {
    if (!begun_) return exchange_->respond(to_response(error));
    end_with("data: " + error_json(error) + "\n\n");
  }
  bool gone() const override { return exchange_->gone(); }

 private:
  void begin() {
    if (!stream_ || std::exchange(begun_, true)) return;
    http::Response head{.content_type = "text/event-stream; charset=utf-8", .headers = headers_};
    head.headers.emplace_back("Cache-Control", "no-store");
    sent_ = std::make_shared<EventStream>(format_);
    exchange_->begin(std::move(head), [sent = sent_] { return sent->take(); });
    sent_->add(format_->first());  // goes with what comes now
  }
  void end_with(const std::string& text) {
    sent_->add(text + "data: [DONE]\n\n");
    exchange_->end();
  }

  std::shared_ptr<http::Exchange> exchange_;
  const std::shared_ptr<const Format> format_;
  const bool stream_;
  const std::vector<std::pair<std::string_view, std::string>> headers_;
  std::vector<Event> events_;
  std::shared_ptr<EventStream> sent_;  // once it has begun
  bool begun_ = false;
};

// The text of the one event is the body.
class BodyFormat : public Format {
 public:
  http::Response whole(const std::vector<Event>& events, const Usage&) const override {
    return {.body = events.front().data};
  }
  std::string piece(const Event&) const override { return ""; }
  std::string last(const std::vector<Event>&, const Usage&) const override { return ""; }
};

std::vector<std::pair<std::string_view, std::string>> cross_origin(const http::Request& request,
                                                                   const Access& access) {
  const std::string origin = allowed_origin(request, access);
  if (origin.empty()) return {};
  return {{"Access-Control-Allow-Origin", origin}, {"Vary", "Origin"}};  // one of our own list
}

http::Response too_many() {
  return to_response({429, "the queue is full; ask again later", "", "queue_full"});
}

}  // namespace

std::vector<std::pair<std::string, std::string>> route_names() {
  std::vector<std::pair<std::string, std::string>> names;
  for (const Route& route : routes()) names.emplace_back(route.method, route.path);
  return names;
}

http::Response Routes::health() const {
  switch (workers_.state()) {
    case Worker::State::kReady:
      return {.body = R"({"status":"ok"})"};
    case Worker::State::kLoading:
      return {.status = 503, .body = R"({"status":"loading model"})"};
    case Worker::State::kFailed:
      return {.status = 503, .body = R"({"status":"failed"})"};
  }
  return {.status = 500};
}

void Routes::handle(http::Request request, std::shared_ptr<http::Exchange> exchange) {
  try {
    // The page has no data; it asks for the key itself.
    const bool health_route = request.path == "/health", page = request.path == "/";
    check_access(request, access_, /*open=*/health_route || page);
    if (health_route && request.method == "GET") return exchange->respond(health());
    route(request, exchange);
  } catch (const ApiError& error) {
    http::Response response = to_response(error);
    for (auto& header : cross_origin(request, access_)) response.headers.push_back(std::move(header));
    exchange->respond(std::move(response));
  } catch (const std::exception&) {
    exchange->respond(to_response({500, "the request could not be handled"}));
  }
}

Worker& Routes::worker_of(const http::Request& request) const {
  return workers_.all().size() == 1 ? *workers_.all().front() : workers_.named(named_model(request));
}

void Routes::generate(Worker& worker, Plan plan, const http::Request& request,
                      const std::shared_ptr<http::Exchange>& exchange) {
  plan.wish.pace = kPace;
  auto sink = std::make_shared<FormatSink>(exchange, std::move(plan.format), plan.stream,
                                           cross_origin(request, access_));
  if (!worker.submit(std::move(plan.wish), sink)) exchange->respond(too_many());
}

void Routes::tokenize(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange) {
  const Json json = parse_body(request.body);
  Fields fields(json, "");
  const std::string content = fields.required_text("content");
  const bool add_special = fields.boolean("add_special").value_or(false);
  Worker& worker = workers_.named(fields.text("model"));
  fields.finish();
  auto sink = std::make_shared<FormatSink>(exchange, std::make_unique<BodyFormat>(), false,
                                           cross_origin(request, access_));
  if (!worker.submit_tokenize(content, add_special, sink)) exchange->respond(too_many());
}

void Routes::detokenize(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange) {
  const Json json = parse_body(request.body);
  Fields fields(json, "");
  const Json& list = fields.required("tokens", "a list of token ids");
  if (!list.is_array() || static_cast<int64_t>(list.size()) > kMaxDetokenized)
    throw fields.wrong("tokens", "a list of token ids", list);
  Worker& worker = workers_.named(fields.text("model"));
  const int64_t vocab_size = worker.card().vocab_size;
  fields.finish();
  std::vector<int64_t> tokens;
  for (const Json& id : list) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(vocab_size))
      throw wrong_field("tokens", "ids from 0 to " + std::to_string(vocab_size - 1), shown(id));
    tokens.push_back(id.get<int64_t>());
  }
  auto sink = std::make_shared<FormatSink>(exchange, std::make_unique<BodyFormat>(), false,
                                           cross_origin(request, access_));
  if (!worker.submit_detokenize(std::move(tokens), sink)) exchange->respond(too_many());
}

void Routes::route(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange) {
  const Route* found = find_route(request.path);
  if (!found) throw ApiError(404, "no such route", "", "not_found");
  if (request.method == "OPTIONS" && !allowed_origin(request, access_).empty()) {
    http::Response response{.status = 204, .headers = cross_origin(request, access_)};
    response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST");
    response.headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type");
    return exchange->respond(std::move(response));
  }
  if (request.method != found->method)
    throw ApiError(405, std::string("this route takes ") + found->method, "", "method_not_allowed");
  const auto is = [&](const char* path) { return request.path == path; };
  const auto json = [&](std::string body) {
    exchange->respond({.body = std::move(body), .headers = cross_origin(request, access_)});
  };
  if (is("/")) return exchange->respond(playground_.answer(request));
  if (is("/openapi.json")) return json(std::string(embedded_file("openapi.json")));
  if (workers_.state() != Worker::State::kReady)
    throw ApiError(503, "the model is being loaded", "", "loading");
  if (is(kTranscriptions)) {
    Worker& worker = worker_of(request);
    return generate(worker, plan_transcription(request.body, request.content_type, worker.card()), request,
                    exchange);
  }
  if (found->plan) {
    Worker& worker = worker_of(request);
    return generate(worker, found->plan(request.body, worker.card()), request, exchange);
  }
  if (is("/tokenize")) return tokenize(request, exchange);
  if (is("/detokenize")) return detokenize(request, exchange);
  if (is("/v1/models")) {
    std::vector<Card> cards;
    for (const auto& worker : workers_.all()) cards.push_back(worker->card());
    return json(models_json(cards));
  }
  if (is("/props")) {
    const std::vector<std::string> names = query_values(request.query, "model");
    const Worker& worker = workers_.named(names.empty() ? std::nullopt : std::optional(names.front()));
    return json(props_json(worker.card(), worker.options()));
  }
  if (is("/slots") || is("/metrics")) {
    std::vector<ModelStats> models;
    for (const auto& worker : workers_.all()) models.push_back({worker->card().id, worker->stats()});
    if (is("/slots")) return json(slots_json(models));
    return exchange->respond(
        {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics_text(models)});
  }
  json(model_json(
      workers_
          .named(percent_decoded(request.path.substr(std::string(kModels).size()), /*plus_is_space=*/false))
          .card()));
}

}  // namespace mom::serve
