// Where a server listens, how many clients it takes, how long it waits for them, and how it ends.
#include <atomic>
#include <fstream>

#include "mom/base/error.h"
#include "tests/http/client.h"

namespace mom::http {
namespace {

using test::Client;
using test::RunningServer;

constexpr const char* kAsk = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

void answer(const Request&, const std::shared_ptr<Exchange>& exchange) {
  exchange->respond({.content_type = "text/plain", .body = "here"});
}

Options at(const Path& socket) {
  Options options;
  options.unix_socket = socket.string();
  return options;
}

TEST(Listening, ASocketThatWasLeftBehindIsReplaced) {
  const test::TempFolder folder;
  const Path socket = folder / "socket";
  const int left = test::unix_socket();
  ASSERT_EQ(test::at_path(::bind, left, socket), 0);
  ::close(left);
  {
    const Server server(at(socket), answer);
    EXPECT_EQ(server.port(), 0);
    const auto permissions = std::filesystem::status(socket).permissions();
    EXPECT_EQ(permissions & std::filesystem::perms::all,
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  EXPECT_FALSE(std::filesystem::exists(socket));
}

TEST(Listening, WhatIsInUseIsNot) {
  const RunningServer running({}, answer);
  EXPECT_THROW(Server(at(running.path()), answer), UserError);
  EXPECT_TRUE(Client(running.path()).ask(kAsk, "here").ends_with("here"));
  const test::TempFolder folder;
  std::ofstream(folder / "file") << "mine";
  EXPECT_THROW(Server(at(folder / "file"), answer), UserError);
  EXPECT_EQ(read_file(folder / "file"), "mine");
  EXPECT_THROW(Server(at(folder / std::string(200, 'x')), answer), UserError);
  Options any;
  any.port = 0;
  const Server first(any, answer);
  ASSERT_NE(first.port(), 0);
  Options same = any;
  same.port = first.port();
  try {
    const Server second(same, answer);
    ADD_FAILURE() << "two servers at one port";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("127.0.0.1:" + std::to_string(first.port())), std::string::npos);
  }
}

TEST(Limits, ClientsBeyondTheLimitAreRefused) {
  Options options;
  options.max_connections = 2;
  const RunningServer server(options, answer);
  Client first(server.path()), second(server.path());
  first.ask(kAsk, "here"), second.ask(kAsk, "here");
  for (int i = 0; i < 5; ++i) {
    const std::string refusal = Client(server.path()).read();
    EXPECT_TRUE(refusal.empty() || refusal.starts_with("HTTP/1.1 503 ")) << refusal;
    EXPECT_EQ(refusal.empty() ? i > 0 : refusal.find("too many connections") != std::string::npos, true);
  }
  EXPECT_TRUE(first.ask(kAsk, "here").ends_with("here"));
  second.leave();
  EXPECT_TRUE(
      test::becomes([&] { return Client(server.path()).ask(kAsk, "\r\n\r\n").starts_with("HTTP/1.1 200"); }));
}

TEST(Limits, ClientsThatAreTooSlow) {
  Options options;
  options.header_s = options.idle_s = 1;
  options.body_s = 2;
  const RunningServer server(options, answer);
  Client silent(server.path()), slow(server.path()), without_body(server.path());
  slow.send("GET / HTTP");
  without_body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(silent.read(), "");
  for (Client* client : {&slow, &without_body}) {
    const std::string refusal = client->read();
    EXPECT_TRUE(refusal.starts_with("HTTP/1.1 408 ")) << refusal;
  }
}

TEST(Draining, WhatWasBegunIsFinished) {
  std::atomic<bool> asked = false;
  std::shared_ptr<Exchange> kept;
  RunningServer server({}, [&](const Request& request, const std::shared_ptr<Exchange>& exchange) {
    if (request.path != "/long") return answer(request, exchange);
    kept = exchange;
    asked = true;
  });
  Client idle(server.path()), client(server.path());
  idle.ask(kAsk, "here");
  client.send("GET /long HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(test::becomes([&] { return asked.load(); }));
  server.begin_to_stop();
  EXPECT_EQ(idle.read(), "");  // closed at once
  kept->respond({.body = "at last"});
  const std::string last = client.read();
  EXPECT_TRUE(last.ends_with("at last")) << last;
  EXPECT_NE(last.find("Connection: close"), std::string::npos);
  server.stop();
}

TEST(Draining, NotForEver) {
  Options options;
  options.drain_s = 0;
  std::atomic<bool> asked = false;
  std::shared_ptr<Exchange> kept;
  RunningServer server(options, [&](const Request&, const std::shared_ptr<Exchange>& exchange) {
    kept = exchange;
    asked = true;
  });
  Client client(server.path());
  client.send(kAsk);
  ASSERT_TRUE(test::becomes([&] { return asked.load(); }));
  server.stop();
  EXPECT_TRUE(kept->gone());
  EXPECT_EQ(client.read(), "");
}

}  // namespace
}  // namespace mom::http
