// What holds over TCP and over a UNIX socket.
#include <sys/resource.h>

#include <atomic>

#include "mom/base/error.h"
#include "tests/http/client.h"
#include "tests/support/open_files.h"

namespace mom::http {
namespace {

using test::Over;

constexpr std::string_view kAsking = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

class Transport : public ::testing::TestWithParam<Over> {};

INSTANTIATE_TEST_SUITE_P(Both, Transport, ::testing::Values(Over::kUnix, Over::kTcp),
                         [](const auto& kind) { return kind.param == Over::kTcp ? "Tcp" : "Unix"; });

void say_here(const Request&, const std::shared_ptr<Exchange>& exchange) {
  exchange->respond({.content_type = "text/plain", .body = "here"});
}

// Keeps the exchange of /long for later.
struct Keeper {
  std::atomic<bool> asked = false;
  std::shared_ptr<Exchange> kept;
  Handler handler() {
    return [this](const Request& request, const std::shared_ptr<Exchange>& exchange) {
      if (request.path != "/long") return say_here(request, exchange);
      kept = exchange;
      asked = true;
    };
  }
};

TEST_P(Transport, AConnectionIsForManyRequests) {
  const test::RunningServer server({}, say_here, GetParam());
  test::Client client = server.connect();
  for (int i = 0; i < 3; ++i) {
    const std::string answer = client.ask(kAsking, "here");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhere")) << answer;
  }
}

// However many come, who is there is answered, and the others are told why they are not.
TEST_P(Transport, ACrowdIsRefused) {
  Options options;
  options.max_connections = 1;
  const test::RunningServer server(options, say_here, GetParam());
  const auto before = test::num_open_files();
  test::Client there = server.connect();
  EXPECT_TRUE(there.ask(kAsking, "here").ends_with("here"));
  std::vector<std::unique_ptr<test::Client>> crowd;
  for (int i = 0; i < 6; ++i) crowd.emplace_back(new test::Client(server.connect()));  // and none leaves
  for (const auto& one : crowd) {
    const std::string refusal = one->read();
    EXPECT_TRUE(refusal.starts_with("HTTP/1.1 503 ")) << refusal;
    EXPECT_TRUE(refusal.ends_with("too many connections")) << refusal;
  }
  // Of those who stay the server keeps none.
  EXPECT_TRUE(test::becomes([&] { return test::num_open_files() <= before + 2 * 1 + 6; }));
  EXPECT_TRUE(there.ask(kAsking, "here").ends_with("here"));
}

// While it lives the process can have one more file descriptor, for a client.
class OneFileDescriptorLeft {
 public:
  OneFileDescriptorLeft() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const int next = ::dup(STDERR_FILENO);
    ::close(next);
    const rlimit one{static_cast<rlim_t>(next) + 1, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &one), 0);
  }
  ~OneFileDescriptorLeft() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_{};
};

TEST_P(Transport, ClientsWaitUntilThereAreFileDescriptors) {
  const test::RunningServer server({}, say_here, GetParam());
  EXPECT_TRUE(server.connect().ask(kAsking, "here").ends_with("here"));
  std::unique_ptr<test::Client> waits;
  {
    const OneFileDescriptorLeft none_for_the_server;
    waits.reset(new test::Client(server.connect()));
    waits->send(kAsking);
    ::poll(nullptr, 0, 300);  // it tries again and again
  }
  EXPECT_TRUE(waits->read("here").ends_with("here"));
}

// It finishes what it had begun.
TEST_P(Transport, StopsWhereNoFileDescriptorsAreLeft) {
  Keeper keeper;
  test::RunningServer server({}, keeper.handler(), GetParam());
  test::Client begun = server.connect();
  begun.send("GET /long HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(test::becomes([&] { return keeper.asked.load(); }));
  {
    const OneFileDescriptorLeft none_for_the_server;
    test::Client waits = server.connect();
    server.begin_to_stop();
    EXPECT_EQ(waits.read(), "");  // closed, when the server accepts no more
    ::poll(nullptr, 0, 200);      // while it looks whether there are descriptors again
  }
  keeper.kept->respond({.body = "at last"});
  const std::string answer = begun.read();
  EXPECT_TRUE(answer.ends_with("at last")) << answer;
  server.stop();
}

TEST(Addresses, AreOnesOfThisMachine) {
  for (const auto& [address, where] :
       {std::pair<std::string, std::string>{"localhost", "localhost:0: "},  // a name is none
        {"", ":0: "},
        {"256.0.0.1", "256.0.0.1:0: "},
        {"192.0.2.1", "192.0.2.1:0: "},  // of documents alone (RFC 5737), and 2001:db8:: (RFC 3849)
        {"2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234:5678:9abc:def0:1234:5678:0: "}}) {
    Options options;
    options.address = address;
    options.port = 0;
    try {
      const Server server(options, say_here);
      ADD_FAILURE() << "listens at " << address;
    } catch (const UserError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with(where + "expected an address to listen at")) << message;
      EXPECT_NE(message.find("choose another with --host, --port or --unix-socket"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace mom::http
