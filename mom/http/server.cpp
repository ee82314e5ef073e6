#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <unordered_set>

#include "mom/base/error.h"
#include "mom/http/connection.h"

namespace mom::http {

namespace {

using Tcp = boost::asio::ip::tcp;
using Local = boost::asio::local::stream_protocol;

constexpr std::chrono::milliseconds kTick{50}, kAfterFailure{100};
constexpr int kTicksBetweenSweeps = 10;

// Linux's struct sched_attr (sched_setattr(2)); glibc has it from 2.41 on.
struct SchedAttr {
  uint32_t size = sizeof(SchedAttr), policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};

// The calling thread works for some ten microseconds at a time. With Linux 6.12 and later such a thread need not wait for the
// end of the slice, about a millisecond, of a thread that computes; earlier versions pass the wish over.
void ask_for_short_slices() {
  if (::sched_getscheduler(0) != SCHED_OTHER) return;  // somebody's own choice
  SchedAttr wish;
  wish.nice = ::getpriority(PRIO_PROCESS, 0);
  wish.runtime_ns = 100'000;
  ::syscall(SYS_sched_setattr, 0, &wish, 0);
}

}  // namespace

struct Server::State {
  State(Options options_in, Handler handler_in)
      : options(std::move(options_in)), handler(std::move(handler_in)) {}

  void listen() {
    try {
      options.unix_socket.empty() ? listen_tcp() : listen_local();
    } catch (const boost::system::system_error& error) {
      const std::string place = options.unix_socket.empty()
                                    ? options.address + ":" + std::to_string(options.port)
                                    : options.unix_socket;
      throw UserError({place, "an address to listen at", error.code().message(),
                       "choose another with --host, --port or --unix-socket"});
    }
  }

  void listen_tcp() {
    const Tcp::endpoint endpoint(boost::asio::ip::make_address(options.address), options.port);
    tcp.open(endpoint.protocol());
    tcp.set_option(Tcp::acceptor::reuse_address(true));
    tcp.bind(endpoint);
    tcp.listen();
    accept(tcp);
  }

  // A socket that a server which is gone left behind is replaced; one that answers, or another file, is not.
  void listen_local() {
    const std::filesystem::path path = options.unix_socket;
    std::error_code ignored;
    if (std::filesystem::is_socket(path, ignored)) {
      Local::socket probe(io);
      boost::system::error_code refused;
      probe.connect(Local::endpoint(path.string()), refused);
      if (refused) std::filesystem::remove(path, ignored);
    }
    local.open();
    local.bind(Local::endpoint(path.string()));
    std::filesystem::permissions(path,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    local.listen();
    accept(local);
  }

  template <class Acceptor>
  void accept(Acceptor& acceptor) {
    acceptor.async_accept([this, &acceptor](boost::system::error_code error, auto socket) {
      if (!acceptor.is_open()) return;
      if (error) {  // no file descriptors left, for example
        pause.expires_after(kAfterFailure);
        return pause.async_wait([this, &acceptor](boost::system::error_code) {
          if (acceptor.is_open()) accept(acceptor);
        });
      }
      if constexpr (std::is_same_v<decltype(socket), Tcp::socket>) {
        boost::system::error_code ignored;
        socket.set_option(Tcp::no_delay(true), ignored);
      }
      if (connections.size() >= options.max_connections) sweep();
      auto connection = std::make_shared<Connection>(Socket(std::move(socket)), options, handler);
      if (connections.size() >= options.max_connections) {
        // Beyond twice the limit nobody would end its lingering.
        const bool lingers = connections.size() < 2 * options.max_connections;
        connection->refuse_and_close(503, "too many connections", lingers);
        if (lingers) connections.insert(connection);
      } else {
        connections.insert(connection);
        connection->start();
      }
      accept(acceptor);
    });
  }

  void sweep() {
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(connections, [&](const std::shared_ptr<Connection>& connection) {
      connection->check_deadline(now);
      return connection->closed();
    });
  }

  void tick(const std::function<bool()>& should_stop) {
    timer.expires_after(kTick);
    timer.async_wait([this, &should_stop](boost::system::error_code) {
      if (!draining && should_stop()) start_draining();
      if (++ticks % kTicksBetweenSweeps == 0 || draining) sweep();
      if (draining && (connections.empty() || std::chrono::steady_clock::now() > drain_deadline))
        return io.stop();
      tick(should_stop);
    });
  }

  void start_draining() {
    draining = true;
    drain_deadline = std::chrono::steady_clock::now() + std::chrono::seconds(options.drain_s);
    boost::system::error_code ignored;
    tcp.close(ignored);
    local.close(ignored);
    for (const auto& connection : connections) connection->drain();
  }

  Options options;
  Handler handler;
  boost::asio::io_context io{1};
  Tcp::acceptor tcp{io};
  Local::acceptor local{io};
  boost::asio::steady_timer timer{io}, pause{io};
  std::unordered_set<std::shared_ptr<Connection>> connections;
  int ticks = 0;
  bool draining = false;
  std::chrono::steady_clock::time_point drain_deadline;
};

Server::Server(Options options, Handler handler)
    : state_(std::make_unique<State>(std::move(options), std::move(handler))) {
  state_->listen();
}

Server::~Server() {
  if (!state_->options.unix_socket.empty()) std::filesystem::remove(state_->options.unix_socket);
}

uint16_t Server::port() const { return state_->tcp.is_open() ? state_->tcp.local_endpoint().port() : 0; }
size_t Server::num_connections() const { return state_->connections.size(); }

void Server::run(const std::function<bool()>& should_stop) {
  ask_for_short_slices();
  state_->tick(should_stop);
  state_->io.run();
  for (const auto& connection : state_->connections) connection->close();
}

bool equal_secrets(std::string_view a, std::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned char>(a[i] ^ (b.empty() ? 0 : b[i % b.size()]));
  return difference == 0;
}

}  // namespace mom::http
