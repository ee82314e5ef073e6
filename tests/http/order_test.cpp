// What comes too early, too late, or while the server stops.
#include <atomic>
#include <mutex>

#include "tests/http/client.h"

namespace mom::http {
namespace {

using test::becomes;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
                           kHere = "GET /here HTTP/1.1\r\nHost: h\r\n\r\n";

// The exchanges of all requests, to be answered by the test.
class Exchanges {
 public:
  Handler handler() {
    return [this](const Request&, const std::shared_ptr<Exchange>& exchange) {
      const std::lock_guard lock(mutex_);
      all_.push_back(exchange);
    };
  }
  // The one of request `i`, when it has come.
  std::shared_ptr<Exchange> of(size_t i) {
    std::shared_ptr<Exchange> found;
    EXPECT_TRUE(becomes([&] {
      const std::lock_guard lock(mutex_);
      if (i < all_.size()) found = all_[i];
      return found != nullptr;
    })) << "request "
        << i << " did not come";
    return found;
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<Exchange>> all_;
};

TEST(TooLate, WhatFollowsAnAnswerGoesNowhere) {
  Exchanges exchanges;
  const test::RunningServer server({}, exchanges.handler());
  test::Client client(server.path());
  client.send(kGet);
  std::atomic<int> asked = 0;
  const auto first = exchanges.of(0);
  first->begin({.content_type = "text/plain"}, [&] { return ++asked == 1 ? "first" : "late"; });
  first->end();
  const std::string answer = client.read("0\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("\r\n\r\n5\r\nfirst\r\n0\r\n\r\n")) << answer;
  // Nothing is being answered, then another request is.
  const auto goes_on = [&] {
    const int before = asked;
    first->respond({.body = "late"});
    EXPECT_TRUE(becomes([&] {
      first->more();
      return asked > before;
    }));
    first->end();
  };
  goes_on();
  client.send(kGet);
  const auto second = exchanges.of(1);
  goes_on();
  EXPECT_FALSE(second->gone());
  second->respond({.content_type = "text/plain", .body = "second"});
  second->respond({.content_type = "text/plain", .body = "late"});
  client.send(kGet);
  exchanges.of(2)->respond({.content_type = "text/plain", .body = "third"});
  const std::string rest = client.read("third");
  EXPECT_TRUE(rest.starts_with("HTTP/1.1 200 OK\r\n")) << rest;
  EXPECT_LT(rest.find("second"), rest.find("third"));
  EXPECT_EQ(rest.find("late"), std::string::npos) << rest;
}

// A handler that holds up the server's thread until the test lets it go on.
struct Gate {
  std::atomic<int> entered = 0, opened = 0;
  void pass() {
    const int mine = ++entered;
    EXPECT_TRUE(becomes([&] { return opened >= mine; }));
  }
  void wait_for(int count) const {
    EXPECT_TRUE(becomes([&] { return entered >= count; }));
  }
};

// The server reads that they have left, and accepts another in their place, before it comes to what they are told.
TEST(TooLate, AnswersToClientsThatHaveJustLeftGoNowhere) {
  Options options;
  options.max_connections = 6;
  Exchanges exchanges;
  Gate gate;
  const test::RunningServer server(options,
                                   [&](const Request& request, const std::shared_ptr<Exchange>& exchange) {
                                     if (request.path == "/") return exchanges.handler()(request, exchange);
                                     if (request.path == "/gate") gate.pass();
                                     exchange->respond({.content_type = "text/plain", .body = "here"});
                                   });
  std::vector<std::unique_ptr<test::Client>> leaving;
  std::vector<std::shared_ptr<Exchange>> late;
  for (size_t i = 0; i < 4; ++i) {
    leaving.push_back(std::make_unique<test::Client>(server.path()));
    leaving.back()->send(kGet);
    late.push_back(exchanges.of(i));
  }
  const auto nothing = [] { return std::string(); };
  for (size_t i = 2; i < 4; ++i) {
    late[i]->begin({}, nothing);
    late[i]->more();
    leaving[i]->read("\r\n\r\n");
  }
  test::Client first(server.path()), second(server.path());
  first.ask(kHere, "here"), second.ask(kHere, "here");
  first.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n");
  gate.wait_for(1);
  second.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n");
  for (const auto& one : leaving) one->leave();
  test::Client other(server.path());
  other.send(kHere);
  gate.opened = 1;
  gate.wait_for(2);
  late[0]->respond({.body = "late"});
  late[1]->begin({}, nothing);
  late[1]->more();
  late[2]->more();
  late[3]->end();
  gate.opened = 2;
  for (test::Client* one : {&first, &second}) EXPECT_TRUE(one->read("here").ends_with("here"));
  EXPECT_NE(other.read("\r\n\r\n"), "");  // is answered, or too early
  EXPECT_TRUE(
      becomes([&] { return test::Client(server.path()).ask(kHere, "\r\n\r\n").find("200 OK") < 20; }));
  for (const auto& one : late) EXPECT_TRUE(becomes([&] { return one->gone(); }));
}

// One packet for both: a client that wakes for the head alone takes a core for it.
TEST(TooEarly, AHeadWaitsForTheFirstPiece) {
  Exchanges exchanges;
  const test::RunningServer server({}, exchanges.handler());
  test::Client client(server.path());
  client.send(kGet);
  const auto exchange = exchanges.of(0);
  std::string rest = "one";
  exchange->begin({.content_type = "text/plain"}, [&] { return std::exchange(rest, ""); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  exchange->more();
  const std::string begun = client.read("\r\n\r\n");
  EXPECT_TRUE(begun.ends_with("\r\n\r\n3\r\none\r\n")) << begun;
  exchange->end();
  client.read("0\r\n\r\n");
}

// A client that sends on while it is being answered is read only so far, and answered in full.
TEST(TooEarly, RequestsWaitInTheClient) {
  std::atomic<bool> open = false;
  Exchanges exchanges;
  const test::RunningServer server(
      {}, [&](const Request& request, const std::shared_ptr<Exchange>& exchange) {
        open ? exchange->respond({.content_type = "text/plain", .body = "<" + request.query + ">"})
             : exchanges.handler()(request, exchange);
      });
  test::Client client(server.path());
  client.send(kGet);
  const auto first = exchanges.of(0);
  std::string many;
  const std::string filler(2000, 'x');
  size_t length = 0;
  for (int i = 100'000; i < 108'000; ++i) {
    many += "GET /" + filler + "?" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    if (length == 0) length = many.size();
  }
  const size_t sent = client.send_what_is_taken(many);
  EXPECT_GT(sent, size_t{64} << 10);
  EXPECT_LT(sent, many.size());
  open = true;
  first->respond({.content_type = "text/plain", .body = "first"});
  const std::string last = "<" + std::to_string(100'000 + sent / length - 1) + ">";
  const std::string answers = client.read(last);
  EXPECT_LT(answers.find("first"), answers.find("<100000>"));
  size_t count = 0;
  for (size_t at = answers.find('<'); at != std::string::npos; at = answers.find('<', at + 1)) ++count;
  EXPECT_EQ(count, sent / length);
}

TEST(TooEarly, AnAnswerThatWasNotBegunHasNoMore) {
  Exchanges exchanges;
  const test::RunningServer server({}, exchanges.handler());
  test::Client client(server.path());
  client.send(kGet);
  const auto first = exchanges.of(0);
  first->more();
  first->respond({.content_type = "text/plain", .body = "first"});
  first->more();
  EXPECT_TRUE(client.read("first").ends_with("\r\n\r\nfirst"));
}

TEST(TooEarly, ABodyThatIsThereIsNotAskedFor) {
  const test::RunningServer server({}, [](const Request& request, const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.content_type = "text/plain", .body = "[" + request.body + "]"});
  });
  for (const std::string body : {"", "ab"}) {
    const std::string answer = test::Client(server.path())
                                   .ask(
                                       "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nConnection: "
                                       "close\r\nContent-Length: " +
                                       std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_TRUE(answer.ends_with("[" + body + "]")) << answer;
  }
}

TEST(Leaving, InTheMiddleOfAnAnswer) {
  const std::string large(size_t{16} << 20, 'x');
  const test::RunningServer server(
      {}, [&](const Request& request, const std::shared_ptr<Exchange>& exchange) {
        exchange->respond({.content_type = "text/plain", .body = request.query == "large" ? large : "small"});
      });
  for (int i = 0; i < 3; ++i) {
    test::Client client(server.path());
    client.ask("GET /?large HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\nx");
    client.leave();
    EXPECT_TRUE(test::Client(server.path()).ask(kGet, "small").ends_with("small"));
  }
}

// Stops a server, and returns when it takes no more.
void begin_to_stop(test::RunningServer& server, test::Client& idle) {
  server.begin_to_stop();
  EXPECT_EQ(idle.read(), "");
}

TEST(Stopping, ARequestThatHadBegunIsAnswered) {
  test::RunningServer server({}, [](const Request& request, const std::shared_ptr<Exchange>& exchange) {
    exchange->respond({.content_type = "text/plain", .body = "[" + request.body + "]"});
  });
  test::Client idle(server.path()), client(server.path());
  idle.ask(kGet, "[]");
  client.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  begin_to_stop(server, idle);
  const std::string answer = client.ask("ab");
  EXPECT_TRUE(answer.ends_with("[ab]")) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  server.stop();
}

TEST(Stopping, AStreamThatHadBegunIsFinished) {
  Exchanges exchanges;
  test::RunningServer server({}, exchanges.handler());
  test::Client idle(server.path()), client(server.path());
  idle.send(kGet);
  exchanges.of(0)->respond({.body = "{}"});
  idle.read("{}");
  client.send(kGet);
  const auto exchange = exchanges.of(1);
  std::string rest = "one";
  exchange->begin({.content_type = "text/plain"}, [&] { return std::exchange(rest, ""); });
  exchange->more();
  const std::string begun = client.read("3\r\none\r\n");
  EXPECT_NE(begun.find("Connection: keep-alive"), std::string::npos) << begun;
  begin_to_stop(server, idle);
  rest = "two";
  exchange->end();
  EXPECT_EQ(client.read(), "3\r\ntwo\r\n0\r\n\r\n");  // and closes, whatever it had said
  server.stop();
}

}  // namespace
}  // namespace mom::http
