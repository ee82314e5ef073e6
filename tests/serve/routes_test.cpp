// Requests as a client sends them, and what comes back: of a plain model with a tokenizer.
#include "mom/serve/routes.h"

#include <gtest/gtest.h>

#include "tests/serve/plain_model.h"
#include "tests/serve/recorded_exchange.h"

namespace mom::serve {
namespace {

constexpr const char *kChats = "/v1/chat/completions", *kCompletions = "/v1/completions";

class Asking : public ::testing::Test {
 protected:
  void SetUp() override { write_plain_model(folder_.path(), test::tiny_tokenizer_with_bos()); }

  void start(WorkerOptions options = {}, const Path& run = {}) {
    options.run = run.empty() ? folder_.path() : run;
    options.model_id = "tiny";
    workers_ = std::make_unique<Workers>(std::vector{options});
    Access access;
    access.origins = {"https://pages.example.org"};
    routes_ = std::make_unique<Routes>(*workers_, access);
    wait_for("the model", [&] { return workers_->state() != Worker::State::kLoading; });
  }
  std::shared_ptr<RecordedExchange> ask(http::Request request) {
    if (!routes_) start();
    if (request.host.empty()) request.host = "localhost";
    auto exchange = std::make_shared<RecordedExchange>();
    routes_->handle(std::move(request), exchange);
    return exchange;
  }
  std::shared_ptr<RecordedExchange> post(const std::string& path, const Json& body) {
    return ask({.method = "POST", .path = path, .body = body.dump()});
  }
  std::shared_ptr<RecordedExchange> get(const std::string& path, const std::string& query = "") {
    return ask({.method = "GET", .path = path, .query = query});
  }

  const test::TempFolder folder_;
  std::unique_ptr<Workers> workers_;
  std::unique_ptr<Routes> routes_;
};

// The data of server-sent events, each ended by an empty line.
std::vector<std::string> data_of_events(const std::string& stream) {
  std::vector<std::string> all;
  for (size_t at = 0; at < stream.size();) {
    const size_t end = stream.find("\n\n", at), data = stream.find("data: ", at);
    EXPECT_NE(end, std::string::npos) << stream.substr(at);
    if (end == std::string::npos) break;
    all.push_back(stream.substr(data + 6, end - data - 6));
    at = end + 2;
  }
  return all;
}

const Json kGreedy = {{"temperature", 0}, {"repetition_penalty", 0.01}, {"seed", 1}};

Json greedy(const Json& body) {
  Json whole = kGreedy;
  whole.update(body);
  return whole;
}

TEST_F(Asking, WholeAndStreamedAreTheSameAnswer) {
  const Json body = greedy({{"prompt", "the"}, {"max_tokens", 12}, {"n", 2}});
  const auto whole = post(kCompletions, body);
  ASSERT_EQ(whole->status(), 200) << whole->body();
  const Json choices = whole->json()["choices"];
  ASSERT_EQ(choices.size(), 2u);
  Json streamed = body;
  streamed["stream"] = true;
  const auto stream = post(kCompletions, streamed);
  EXPECT_EQ(stream->answer().content_type, "text/event-stream; charset=utf-8");
  EXPECT_EQ(stream->header("Cache-Control"), "no-store");
  const std::vector<std::string> events = data_of_events(stream->body());
  ASSERT_GT(events.size(), 2u);
  EXPECT_EQ(events.back(), "[DONE]");
  std::vector<std::string> texts(2), finishes(2);
  std::vector<Json> tokens(2, Json::array());
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    const Json choice = Json::parse(events[i])["choices"][0];
    const size_t index = choice["index"];
    EXPECT_TRUE(finishes[index].empty()) << "nothing follows the end";
    texts[index] += choice["text"].get<std::string>();
    for (const Json& token : choice["tokens"]) tokens[index].push_back(token);
    if (choice["finish_reason"].is_string()) finishes[index] = choice["finish_reason"];
  }
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(texts[i], choices[i]["text"]);
    EXPECT_EQ(tokens[i], choices[i]["tokens"]);
    EXPECT_EQ(tokens[i].size(), 12u);
    EXPECT_EQ(finishes[i], "length");
    EXPECT_EQ(choices[i]["finish_reason"], "length");
  }
  EXPECT_EQ(whole->json()["usage"],
            Json({{"prompt_tokens", 2}, {"completion_tokens", 24}, {"total_tokens", 26}}));  // <end>, the
}

TEST_F(Asking, AChatBeginsWithItsRoleAndEndsWithItsUsage) {
  const auto stream = post(kChats, greedy({{"messages", {{{"role", "user"}, {"content", "the"}}}},
                                           {"max_tokens", 4},
                                           {"stream", true},
                                           {"stream_options", {{"include_usage", true}}}}));
  const std::vector<std::string> events = data_of_events(stream->body());
  ASSERT_GT(events.size(), 3u) << stream->body();
  EXPECT_EQ(Json::parse(events.front())["choices"][0]["delta"],
            Json({{"role", "assistant"}, {"content", ""}}));
  EXPECT_EQ(Json::parse(events[events.size() - 3])["choices"][0]["finish_reason"], "length");
  const Json last = Json::parse(events[events.size() - 2]);
  EXPECT_EQ(last["choices"], Json::array());
  EXPECT_EQ(last["usage"]["completion_tokens"], 4);
  EXPECT_EQ(events.back(), "[DONE]");
}

// An error that comes when the stream has begun cannot be a status any more.
TEST_F(Asking, AStreamThatFailsSaysWhyAndEnds) {
  WorkerOptions options;
  options.parallel = 2;
  options.max_tokens = 1'000'000;
  start(options);
  Json body = greedy({{"prompt", "the"}, {"max_tokens", 1'000'000}, {"stream", true}});
  const auto stream = post(kCompletions, body);
  wait_for("some of the stream", [&] { return stream->so_far().size() > 1000; });
  body["stream"] = false;
  const auto whole = post(kCompletions, body), waiting = post(kCompletions, body);
  EXPECT_FALSE(whole->ended());
  workers_.reset();  // shuts down
  const std::vector<std::string> events = data_of_events(stream->body());
  ASSERT_GT(events.size(), 2u);
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_EQ(std::count(events.begin(), events.end(), "[DONE]"), 1);
  EXPECT_EQ(Json::parse(events[events.size() - 2]),
            Json::parse(R"({"error": {"message": "the server is shutting down", "type": "server_error",
                                      "param": null, "code": null}})"));
  EXPECT_EQ(stream->status(), 200);
  for (const auto& one : {whole, waiting}) {
    EXPECT_EQ(one->status(), 503);
    EXPECT_EQ(one->error()["message"], "the server is shutting down");
    EXPECT_EQ(one->header("Retry-After"), "1");
  }
}

// Before it has begun it can.
TEST_F(Asking, AStreamThatIsWrongIsAnError) {
  WorkerOptions options;
  options.max_prompt_tokens = 10;
  options.max_tokens = 50;
  start(options);
  const auto long_prompt =
      post(kChats, {{"messages", {{{"role", "user"}, {"content", "abcdefghijk"}}}}, {"stream", true}});
  EXPECT_EQ(long_prompt->status(), 400);
  EXPECT_EQ(long_prompt->error()["code"], "context_length_exceeded");
  EXPECT_EQ(long_prompt->error()["message"], "the prompt has 12 tokens, more than 10");
  const auto long_answer = post(kCompletions, {{"prompt", "a"}, {"max_tokens", 51}, {"stream", true}});
  EXPECT_EQ(long_answer->status(), 400);
  EXPECT_EQ(long_answer->error()["param"], "max_tokens");
}

TEST_F(Asking, AClientThatLeavesEndsItsAnswer) {
  WorkerOptions options;
  options.max_tokens = 1'000'000;
  start(options);
  const auto stream =
      post(kCompletions, greedy({{"prompt", "the"}, {"max_tokens", 1'000'000}, {"stream", true}}));
  wait_for("some of the stream", [&] { return stream->so_far().size() > 1000; });
  const Json slots = get("/slots")->json();
  ASSERT_EQ(slots.size(), 1u);
  EXPECT_EQ(slots[0]["model"], "tiny");
  EXPECT_EQ(slots[0]["is_processing"], true);
  EXPECT_EQ(slots[0]["n_prompt_tokens"], 2);
  EXPECT_EQ(slots[0]["n_read"], 2);
  stream->left = true;
  wait_for("the slot", [&] { return get("/slots")->json().empty(); });
  const std::string metrics = get("/metrics")->body();
  for (const char* line :
       {"mom_requests_abandoned_total{model=\"tiny\"} 1\n", "mom_requests_running{model=\"tiny\"} 0\n",
        "mom_requests_accepted_total{model=\"tiny\"} 1\n",
        "# TYPE mom_sequences_running gauge\nmom_sequences_running{model=\"tiny\"} 0\n"})
    EXPECT_NE(metrics.find(line), std::string::npos) << line << metrics;
  EXPECT_FALSE(stream->ended());
}

TEST_F(Asking, AFullQueueIsToldOnEveryRoute) {
  WorkerOptions options;
  options.queue = 0;
  start(options);
  const std::vector<std::pair<const char*, Json>> bodies = {
      {kChats, {{"messages", {{{"role", "user"}, {"content", "a"}}}}}},
      {kCompletions, {{"prompt", "a"}, {"stream", true}}},
      {"/tokenize", {{"content", "a"}}},
      {"/detokenize", {{"tokens", {97}}}}};
  for (const auto& [path, body] : bodies) {
    const auto refused = post(path, body);
    EXPECT_EQ(refused->status(), 429) << path;
    EXPECT_EQ(refused->header("Retry-After"), "1");
    EXPECT_EQ(refused->error()["type"], "rate_limit_error");
    EXPECT_EQ(refused->error()["code"], "queue_full");
  }
  EXPECT_NE(get("/metrics")->body().find("mom_requests_refused_total{model=\"tiny\"} 4\n"),
            std::string::npos);
}

TEST_F(Asking, TokensOfText) {
  EXPECT_EQ(post("/tokenize", {{"content", "the"}})->json(), Json::parse(R"({"tokens": [257]})"));
  EXPECT_EQ(post("/tokenize", {{"content", "the"}, {"add_special", true}, {"model", "tiny"}})->json(),
            Json::parse(R"({"tokens": [259, 257]})"));
  EXPECT_EQ(post("/detokenize", {{"tokens", {257, 97}}})->json(), Json({{"content", "thea"}}));
  EXPECT_EQ(post("/detokenize", {{"tokens", Json::array()}})->json(), Json({{"content", ""}}));
  const std::vector<std::tuple<const char*, Json, int, std::string, std::string>> wrong = {
      {"/tokenize", Json::object(), 400, "content", "expected a string, found none"},
      {"/tokenize", {{"content", 3}}, 400, "content", "expected a string, found 3"},
      {"/tokenize", {{"content", "a"}, {"add_special", 1}}, 400, "add_special", "expected true or false"},
      {"/tokenize", {{"content", "a"}, {"model", "other"}}, 404, "model", "found \"other\""},
      {"/tokenize", {{"content", "a"}, {"contents", "a"}}, 400, "contents", "did you mean content?"},
      {"/tokenize", Json::array(), 400, "body", "expected an object, found a list of 0"},
      {"/detokenize", Json::object(), 400, "tokens", "expected a list of token ids, found none"},
      {"/detokenize", {{"tokens", "257"}}, 400, "tokens", "expected a list of token ids, found \"257\""},
      {"/detokenize", {{"tokens", {{"a", 1}}}}, 400, "tokens", "found an object"},
      {"/detokenize", {{"tokens", {257, 264}}}, 400, "tokens", "expected ids from 0 to 263, found 264"},
      {"/detokenize", {{"tokens", {-1}}}, 400, "tokens", "found -1"},
      {"/detokenize", {{"tokens", {"a"}}}, 400, "tokens", "found \"a\""},
      {"/detokenize", {{"tokens", {1.5}}}, 400, "tokens", "found 1.5"},
      {"/detokenize", {{"tokens", {97}}, {"model", "other"}}, 404, "model", "found \"other\""},
      {"/detokenize",
       {{"tokens", std::vector<int>(1'000'001, 97)}},
       400,
       "tokens",
       "found a list of 1000001"}};
  for (const auto& [path, body, status, field, words] : wrong) {
    const auto refused = post(path, body);
    EXPECT_EQ(refused->status(), status) << words;
    EXPECT_EQ(refused->error()["param"], field) << words;
    const std::string message = refused->error()["message"];
    EXPECT_NE(message.find(words), std::string::npos) << message;
  }
}

TEST_F(Asking, PagesOfOtherSitesWhereTheyAreNamed) {
  const char* origin = "https://pages.example.org";
  const auto allows = [](const RecordedExchange& exchange) {
    return exchange.header("Access-Control-Allow-Origin");
  };
  const auto preflight = ask({.method = "OPTIONS", .path = kChats, .origin = origin});
  EXPECT_EQ(preflight->status(), 204);
  EXPECT_EQ(preflight->header("Access-Control-Allow-Methods"), "GET, POST");
  EXPECT_EQ(preflight->header("Access-Control-Allow-Headers"), "Authorization, Content-Type");
  EXPECT_EQ(preflight->header("Vary"), "Origin");
  EXPECT_EQ(allows(*preflight), origin);
  // Answers, streams and errors alike, that the page may read why.
  for (const auto& [method, path, body, status] :
       {std::tuple<const char*, const char*, const char*, int>{"GET", "/v1/models", "", 200},
        {"GET", "/openapi.json", "", 200},
        {"POST", kCompletions, R"({"prompt": "a", "max_tokens": 1})", 200},
        {"POST", kCompletions, R"({"prompt": "a", "max_tokens": 1, "stream": true})", 200},
        {"POST", kCompletions, R"({"prompt": 3})", 400},
        {"POST", "/tokenize", R"({"content": "a"})", 200},
        {"POST", "/detokenize", R"({"tokens": [97]})", 200},
        {"GET", "/nothing", "", 404},
        {"GET", kCompletions, "", 405}}) {
    const auto answer = ask({.method = method, .path = path, .origin = origin, .body = body});
    EXPECT_EQ(answer->status(), status) << path << " " << body;
    EXPECT_EQ(allows(*answer), origin) << path << " " << body;
  }
  const auto other = ask({.method = "OPTIONS", .path = kChats, .origin = "https://example.org"});
  EXPECT_EQ(other->status(), 403);
  EXPECT_EQ(other->error()["param"], "Origin");
  EXPECT_EQ(allows(*other), "");
  const auto own = ask({.method = "OPTIONS", .path = kChats});
  EXPECT_EQ(own->status(), 405);
  EXPECT_EQ(own->error()["message"], "this route takes POST");
}

TEST_F(Asking, AboutTheModel) {
  EXPECT_EQ(get("/health")->json(), Json({{"status", "ok"}}));
  const Json model = get("/v1/models/tiny")->json();
  EXPECT_EQ(model["id"], "tiny");
  EXPECT_EQ(model["input_modalities"], Json::array({"text"}));
  EXPECT_EQ(get("/v1/models")->json()["data"], Json::array({model}));
  EXPECT_EQ(get("/v1/models/ti%6ey")->json(), model);
  EXPECT_EQ(get("/props", "model=tiny")->json()["vocab_size"], 264);
  for (const auto& [path, query, status] :
       {std::tuple<const char*, const char*, int>{"/v1/models/other", "", 404},
        {"/v1/models/ti+ny", "", 404},
        {"/v1/models/%", "", 400},
        {"/v1/models/%4", "", 400},
        {"/v1/models/%4g", "", 400},
        {"/props", "model=other", 404},
        {"/props", "model=%%", 400}})
    EXPECT_EQ(get(path, query)->status(), status) << path << query;
}

TEST_F(Asking, OneModelNeedNotBeNamedAndNoOtherIsTakenForIt) {
  const Json body = {{"prompt", "a"}, {"max_tokens", 1}};
  EXPECT_EQ(post(kCompletions, body)->json()["model"], "tiny");
  Json other = body;
  other["model"] = "other";
  const auto refused = post(kCompletions, other);
  EXPECT_EQ(refused->status(), 404);
  EXPECT_EQ(refused->error()["code"], "model_not_found");
}

TEST_F(Asking, AModelThatCannotBeLoaded) {
  start({}, folder_ / "nothing");
  EXPECT_EQ(get("/health")->status(), 503);
  EXPECT_EQ(get("/health")->json(), Json({{"status", "failed"}}));
  for (const char* path : {"/v1/models", "/props", "/slots", "/metrics", "/v1/models/tiny"})
    EXPECT_EQ(get(path)->status(), 503) << path;
  const auto refused = post(kCompletions, {{"prompt", "a"}});
  EXPECT_EQ(refused->status(), 503);
  EXPECT_EQ(refused->error()["code"], "loading");
  EXPECT_EQ(refused->header("Retry-After"), "1");
  EXPECT_EQ(get("/")->status(), 200);  // what needs no model
  EXPECT_EQ(get("/openapi.json")->status(), 200);
  EXPECT_EQ(post("/health", {})->status(), 405);
}

}  // namespace
}  // namespace mom::serve
