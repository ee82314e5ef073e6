// A client of a server's socket that sends and reads bytes, and the server it talks to.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include "mom/base/files.h"
#include "mom/http/http.h"
#include "tests/support/temp_folder.h"

namespace mom::test {

inline int unix_socket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

// `call` is ::bind or ::connect.
template <class Call>
int at_path(const Call& call, int socket, const Path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  return call(socket, reinterpret_cast<sockaddr*>(&address), sizeof address);
}

class Client {
 public:
  explicit Client(const Path& path) : socket_(unix_socket()) {
    EXPECT_EQ(at_path(::connect, socket_, path), 0);
  }
  // Of this machine alone.
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { leave(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;  // the server has closed
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }
  // How many bytes of them the server takes before it reads no more for a quarter of a second.
  size_t send_what_is_taken(std::string_view bytes) const {
    size_t sent = 0;
    pollfd waits{socket_, POLLOUT, 0};
    while (sent < bytes.size() && ::poll(&waits, 1, 250) > 0) {
      const ssize_t count =
          ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count > 0) sent += static_cast<size_t>(count);
      if (count < 0 && errno != EAGAIN) break;  // the server has closed
    }
    return sent;
  }
  void send_no_more() const { ::shutdown(socket_, SHUT_WR); }
  void leave() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  // What comes until the server closes, or has sent `end`, or nothing for ten seconds.
  std::string read(std::string_view end = {}) {
    std::string bytes;
    while (end.empty() || bytes.find(end) == std::string::npos) {
      pollfd waits{socket_, POLLIN, 0};
      if (::poll(&waits, 1, 10'000) <= 0) {
        ADD_FAILURE() << "nothing came after " << bytes;
        break;
      }
      char piece[4096];
      const ssize_t count = ::recv(socket_, piece, sizeof piece, 0);
      if (count <= 0) break;
      bytes.append(piece, static_cast<size_t>(count));
    }
    return bytes;
  }
  std::string ask(std::string_view request, std::string_view end = {}) {
    send(request);
    return read(end);
  }

 private:
  int socket_;
};

enum class Over { kUnix, kTcp };

// A server on a socket of its own until it is stopped or destroyed.
class RunningServer {
 public:
  RunningServer(http::Options options, http::Handler handler, Over over = Over::kUnix) : over_(over) {
    if (over == Over::kUnix) options.unix_socket = path().string();
    options.port = 0;
    options.refuse = [](int status, std::string_view message) {
      return http::Response{.status = status, .content_type = "text/plain", .body = std::string(message)};
    };
    server_ = std::make_unique<http::Server>(std::move(options), std::move(handler));
    thread_ = std::jthread(
        [this](const std::stop_token& stop) { server_->run([&] { return stop.stop_requested(); }); });
  }
  Path path() const { return folder_ / "socket"; }
  Client connect() const {
    if (over_ == Over::kTcp) return Client(server_->port());
    return Client(path());
  }
  void begin_to_stop() { thread_.request_stop(); }
  void stop() { thread_ = {}; }

 private:
  const Over over_;
  TempFolder folder_;
  std::unique_ptr<http::Server> server_;
  std::jthread thread_;
};

// Whether it becomes true within ten seconds.
template <class Condition>
bool becomes(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace mom::test
