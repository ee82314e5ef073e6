// Requests and answers on a connection, byte for byte.
#include <atomic>
#include <mutex>

#include "tests/http/client.h"

namespace mom::http {
namespace {

using test::Client;
using test::RunningServer;

constexpr std::string_view kClose = "HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
                           kKeep = "HTTP/1.1\r\nHost: here\r\n\r\n";

// What was asked, as a body.
void echo(const Request& request, const std::shared_ptr<Exchange>& exchange) {
  exchange->respond({.content_type = "text/plain",
                     .body = request.method + " " + request.path + " [" + request.query + "] " + request.body,
                     .headers = {{"X-Ours", "yes"}}});
}

// Begins an answer in three pieces, of which the second comes after a tick of the others.
void in_pieces(const Request&, const std::shared_ptr<Exchange>& exchange) {
  std::thread([exchange] {
    auto pieces = std::make_shared<std::pair<std::mutex, std::string>>();
    const auto add = [&](const char* piece) {
      const std::lock_guard lock(pieces->first);
      pieces->second += piece;
    };
    exchange->begin({.content_type = "text/plain"}, [pieces] {
      const std::lock_guard lock(pieces->first);
      return std::exchange(pieces->second, "");
    });
    add("one ");
    exchange->more();
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    add("two ");
    exchange->more();
    add("three");
    exchange->end();
    exchange->end();  // once is enough
  }).detach();
}

std::string request(std::string_view line, std::string_view rest) {
  return std::string(line) + " " + std::string(rest);
}

// The body of an answer in chunks; which pieces come together depends on the moment.
std::string joined(std::string_view answer) {
  std::string body;
  size_t at = answer.find("\r\n\r\n") + 4;
  while (at < answer.size()) {
    const size_t line = answer.find("\r\n", at);
    const size_t size = std::stoul(std::string(answer.substr(at, line - at)), nullptr, 16);
    if (size == 0) return answer.substr(line) == "\r\n\r\n" ? body : body + " and more";
    body += answer.substr(line + 2, size);
    at = line + 2 + size + 2;
  }
  return body + " without an end";
}

TEST(Exchange, WhatIsAskedAndAnswered) {
  const RunningServer server({}, echo);
  EXPECT_EQ(
      Client(server.path()).ask(request("GET /a/b?c=d&e", kClose)),
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nX-Ours: yes\r\n"
      "Content-Length: 17\r\nConnection: close\r\n\r\nGET /a/b [c=d&e] ");
  EXPECT_TRUE(Client(server.path()).ask(request("GET /?", kClose)).ends_with("GET / [] "));
  EXPECT_TRUE(Client(server.path()).ask(request("HEAD /", kClose)).ends_with("Connection: close\r\n\r\n"));
  EXPECT_TRUE(
      Client(server.path())
          .ask("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
          .ends_with("POST /x [] abcde"));
}

TEST(Exchange, OneAfterTheOtherOnAConnection) {
  const RunningServer server({}, echo);
  Client client(server.path());
  EXPECT_NE(client.ask(request("GET /first", kKeep), "[] ").find("keep-alive"), std::string::npos);
  // Three at once, in their order.
  const std::string all =
      client.ask(request("GET /1", kKeep) + request("GET /2", kKeep) + request("GET /3", kClose));
  EXPECT_LT(all.find("/1"), all.find("/2"));
  EXPECT_LT(all.find("/2"), all.find("/3"));
  EXPECT_TRUE(all.ends_with("GET /3 [] "));
  // Whoever sends no more gets an answer all the same.
  Client last(server.path());
  last.send(request("GET /last", kKeep));
  last.send_no_more();
  EXPECT_TRUE(last.read().ends_with("GET /last [] "));
}

TEST(Exchange, PiecesInChunksOrUntilTheEnd) {
  const RunningServer server({}, in_pieces);
  std::string answer = Client(server.path()).ask(request("GET /", kClose));
  EXPECT_NE(answer.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_NE(answer.find("\r\n\r\n4\r\none \r\n"), std::string::npos) << answer;  // the first one at once
  EXPECT_EQ(joined(answer), "one two three") << answer;
  answer = Client(server.path()).ask("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(answer.find("Transfer-Encoding"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("close\r\n\r\none two three")) << answer;
  answer = Client(server.path()).ask(request("HEAD /", kClose));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n") && answer.find("one") == std::string::npos) << answer;
}

TEST(Exchange, WithoutAnAnswer) {
  const RunningServer server({}, [](const Request& request, const std::shared_ptr<Exchange>& exchange) {
    if (request.path == "/begun") exchange->begin({}, [] { return std::string("half"); });
  });
  const std::string nothing = Client(server.path()).ask(request("GET /nothing", kClose));
  EXPECT_TRUE(nothing.starts_with("HTTP/1.1 500 ")) << nothing;
  EXPECT_NE(nothing.find("no answer was made"), std::string::npos);
  EXPECT_EQ(joined(Client(server.path()).ask(request("GET /begun", kClose))), "half");
}

TEST(Exchange, WhatCannotBeRead) {
  Options options;
  options.max_header_bytes = 512;
  options.max_body_bytes = 100;
  const RunningServer server(options, echo);
  const std::string long_header = "GET / HTTP/1.1\r\nX: " + std::string(600, 'x') + "\r\n\r\n";
  for (const auto& [bytes, status, says] :
       {std::tuple<std::string, const char*, const char*>{long_header, "431", "the header is too large"},
        {"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", "413", "the body is too large"},
        {"GET / HTTP/3.1\r\n\r\n", "505", "not an HTTP/1.1 request"},
        {"GET\r\n\r\n", "400", "not an HTTP/1.1 request"},
        {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400",
         "not an HTTP/1.1 request"}}) {
    const std::string answer = Client(server.path()).ask(bytes);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::string(status))) << answer;
    EXPECT_NE(answer.find(says), std::string::npos) << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  }
  EXPECT_TRUE(Client(server.path()).ask(request("GET /next", kClose)).ends_with("GET /next [] "));
}

TEST(Exchange, ABodyThatWaitsToBeAskedFor) {
  const RunningServer server({}, echo);
  Client client(server.path());
  client.send(
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.read("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(client.ask("ab").ends_with("POST / [] ab"));
}

TEST(Exchange, AClientThatLeavesIsNoticed) {
  std::atomic<bool> asked = false;
  std::shared_ptr<Exchange> kept;
  {
    RunningServer server({}, [&](const Request&, const std::shared_ptr<Exchange>& exchange) {
      kept = exchange;
      asked = true;
    });
    Client client(server.path());
    client.send(request("GET /", kKeep));
    ASSERT_TRUE(test::becomes([&] { return asked.load(); }));
    EXPECT_FALSE(kept->gone());
    client.leave();
    EXPECT_TRUE(test::becomes([&] { return kept->gone(); }));
    kept->respond({});  // goes nowhere
  }
  kept->more();
  kept.reset();
}

// What is sent to a client that reads nothing is kept up to a limit.
TEST(Exchange, AClientThatReadsNothingIsCutOff) {
  Options options;
  options.max_unsent_bytes = 1 << 20;
  std::atomic<bool> was_cut_off = false;
  const RunningServer server(options, [&](const Request&, const std::shared_ptr<Exchange>& exchange) {
    std::thread([&was_cut_off, exchange] {
      exchange->begin({}, [] { return std::string(size_t{1} << 18, 'x'); });
      was_cut_off = test::becomes([&] {
        exchange->more();
        return exchange->gone();
      });
    }).detach();
  });
  Client client(server.path());
  client.send(request("GET /", kKeep));
  EXPECT_TRUE(test::becomes([&] { return was_cut_off.load(); }));
}

TEST(Secrets, EqualOnlyWhole) {
  EXPECT_TRUE(equal_secrets("abc", "abc"));
  EXPECT_TRUE(equal_secrets("", ""));
  for (const char* other : {"", "ab", "abcd", "abd", "abcabc"}) {
    EXPECT_FALSE(equal_secrets("abc", other)) << other;
    EXPECT_FALSE(equal_secrets(other, "abc")) << other;
  }
}

}  // namespace
}  // namespace mom::http
