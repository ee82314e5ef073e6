// The pages of a folder of runs: who may see them, what addresses mean, and what happens when many ask at once.
#include <gtest/gtest.h>

#include <future>

#include "mom/base/error.h"
#include "mom/serve/pages.h"
#include "tests/serve/recorded_exchange.h"
#include "tests/support/fake_runs.h"

namespace mom::serve {
namespace {

class Dashboards : public ::testing::Test {
 protected:
  std::shared_ptr<RecordedExchange> ask(http::Request request) {
    auto exchange = std::make_shared<RecordedExchange>();
    if (request.host.empty()) request.host = "localhost";
    if (!dashboard_) dashboard_ = std::make_unique<Dashboard>(folder_.path(), access_);
    dashboard_->handle(request, exchange);
    return exchange;
  }
  std::shared_ptr<RecordedExchange> get(const std::string& path, const std::string& query = "") {
    return ask({.method = "GET", .path = path, .query = query});
  }
  void add_run(const std::string& name) {
    test::FakeRun run;
    run.steps = 50;
    run.images = false;
    test::write_fake_run(folder_ / name, run);
  }
  const test::TempFolder folder_;
  Access access_;
  std::unique_ptr<Dashboard> dashboard_;
};

TEST_F(Dashboards, HasTheRunsAndAPageAboutThem) {
  add_run("a b");
  add_run("c+d");
  const auto list = get("/api/runs");
  EXPECT_EQ(list->header("Cache-Control"), "no-store");
  ASSERT_EQ(list->json()["runs"].size(), 2u) << list->body();
  EXPECT_EQ(list->json()["runs"][0]["id"], "a b");
  EXPECT_EQ(list->json()["runs"][0]["state"], "finished");
  // As browsers write them: '+' and %20 are a space, %2B is '+', and letters may be written so, too.
  for (const auto& [query, count] : {std::pair<const char*, size_t>{"run=a+b", 1},
                                     {"run=a%20b", 1},
                                     {"run=c%2Bd", 1},
                                     {"run=c%2bd", 1},
                                     {"run=%61+b&run=c%2Bd", 2},
                                     {"other=x&run=a+b&run", 1}}) {
    const auto page = get("/api/page", query);
    EXPECT_EQ(page->status(), 200) << query << page->body();
    EXPECT_EQ(page->json()["runs"].size(), count) << query;
  }
}

TEST_F(Dashboards, AddressesThatAreWrong) {
  add_run("a");
  for (const char* query : {"run=%", "run=%4", "run=%zz", "run=%4z", "run=a%"}) {
    const auto refused = get("/api/page", query);
    EXPECT_EQ(refused->status(), 400) << query;
    EXPECT_EQ(refused->error()["message"], "the address has a broken % escape") << query;
  }
  // No path from outside is opened.
  for (const char* query : {"", "run=", "run=b", "run=..%2Fa", "run=/etc", "run=a&run=b", "run=a/"}) {
    const auto refused = get("/api/page", query);
    EXPECT_EQ(refused->status(), 400) << query;
    EXPECT_EQ(refused->error()["param"], "run") << query;
  }
  for (const char* path : {"/api", "/api/runs/", "/v1/models", "/api/page/a", ""})
    EXPECT_EQ(get(path)->error()["code"], "not_found") << path;
  for (const char* path : {"/", "/health", "/api/runs", "/api/page"})
    for (const char* method : {"POST", "OPTIONS", "DELETE"}) {
      const auto refused = ask({.method = method, .path = path});
      EXPECT_EQ(refused->status(), 405) << method << path;
      EXPECT_EQ(refused->error()["message"], "this route takes GET");
      EXPECT_EQ(refused->error()["code"], "method_not_allowed");
    }
}

TEST_F(Dashboards, TheKeyIsForWhatHasData) {
  access_.api_key = "secret";
  for (const auto& [path, status] :
       {std::pair<const char*, int>{"/", 200}, {"/health", 200}, {"/api/runs", 401}, {"/api/page", 401}}) {
    EXPECT_EQ(get(path)->status(), status) << path;
    EXPECT_EQ(ask({.method = "GET", .path = path, .host = "elsewhere.example"})->status(), 403) << path;
  }
  EXPECT_EQ(get("/api/runs")->header("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(ask({.method = "GET", .path = "/api/runs", .authorization = "Bearer secret"})->status(), 200);
}

TEST_F(Dashboards, ThePageIsSentOnce) {
  const auto page = get("/");
  EXPECT_EQ(page->answer().content_type, "text/html; charset=utf-8");
  EXPECT_NE(page->body().find("<html"), std::string::npos);
  const auto again = ask({.method = "GET", .path = "/", .if_none_match = page->header("ETag")});
  EXPECT_EQ(again->status(), 304);
  EXPECT_EQ(again->body(), "");
  EXPECT_EQ(ask({.method = "GET", .path = "/", .if_none_match = "\"other\""})->status(), 200);
}

// Whose client takes its time, on the thread that reads files.
struct SlowExchange : RecordedExchange {
  std::promise<void> begun;
  std::shared_future<void> gate;
  void respond(http::Response response) override {
    begun.set_value();
    gate.wait();
    RecordedExchange::respond(std::move(response));
  }
};

TEST_F(Dashboards, ManyWaitAndMoreAreTurnedAway) {
  dashboard_ = std::make_unique<Dashboard>(folder_.path(), access_);
  std::promise<void> gate;
  const auto slow = std::make_shared<SlowExchange>();
  slow->gate = gate.get_future().share();
  dashboard_->handle({.method = "GET", .path = "/api/runs", .host = "localhost"}, slow);
  slow->begun.get_future().wait();
  std::vector<std::shared_ptr<RecordedExchange>> waiting;
  for (int i = 0; i < 64; ++i) waiting.push_back(get("/api/runs"));
  for (const char* path : {"/api/runs", "/api/page"}) {
    const auto refused = get(path);
    EXPECT_EQ(refused->status(), 429) << path;
    EXPECT_EQ(refused->error()["code"], "queue_full");
    EXPECT_EQ(refused->header("Retry-After"), "1");
  }
  EXPECT_EQ(get("/health")->status(), 200);  // at once
  waiting[7]->left = true;                   // nobody reads files for it
  for (const auto& one : waiting) EXPECT_FALSE(one->ended());
  gate.set_value();
  const auto left = waiting[7];
  std::erase(waiting, left);
  for (const auto& one : waiting) EXPECT_EQ(one->status(), 200);
  EXPECT_FALSE(left->ended());
  EXPECT_EQ(get("/api/runs")->status(), 200);
}

TEST_F(Dashboards, ARunThatIsDamagedIsToldOf) {
  add_run("a");
  add_run("b");
  test::write_file(folder_ / "b" / "recipe.toml", "setting = [\n");
  const Json runs = get("/api/runs")->json()["runs"];
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0]["state"], "finished");
  EXPECT_EQ(runs[1]["id"], "b");
  EXPECT_EQ(runs[1]["state"], "unreadable");
  const std::string why = runs[1]["error"];
  EXPECT_NE(why.find("recipe.toml"), std::string::npos) << why;
  EXPECT_EQ(get("/api/page", "run=a")->status(), 200);
  const auto damaged = get("/api/page", "run=b");
  EXPECT_EQ(damaged->status(), 500);
  EXPECT_EQ(damaged->error()["message"], why);
}

}  // namespace
}  // namespace mom::serve
