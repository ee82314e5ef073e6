// An HTTP/1.1 server on one thread. It knows no model and no torch: a request is handed to a function that returns at
// once, and answered through an Exchange from any thread, whole or piece by piece. Boost is included by this folder's two
// sources alone.
//
// While a request is being answered the connection goes on reading, so that a client that leaves is noticed at once
// (Exchange::gone). Clients that are slow, silent or too many cost a connection each, and no more than the limits say.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mom::http {

struct Request {
  std::string method = {}, path = {}, query = {};  // what stands before '?', and behind it
  std::string host = {}, origin = {}, content_type = {}, authorization = {}, accept_encoding = {},
              if_none_match = {};
  std::string body = {};
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  // Ours alone: a client's value never becomes a header.
  std::vector<std::pair<std::string_view, std::string>> headers = {};
};

// The answer to one request; every function may be called from any thread. One that is dropped without an answer becomes
// status 500.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void respond(Response response) = 0;  // all of it
  // Status and headers, which go with the first piece of the body; `rest` gives what there is of it by now and was not given
  // before. The I/O thread asks it.
  virtual void begin(Response head, std::function<std::string()> rest) = 0;
  // There is a rest: it is sent at once, or after some milliseconds with what comes until then. Nothing unless begun.
  virtual void more() = 0;
  virtual void end() = 0;  // after the rest
  // The client has left, or cannot take what was sent: more of it goes nowhere.
  virtual bool gone() const = 0;
};

using Handler = std::function<void(Request request, std::shared_ptr<Exchange> exchange)>;

struct Options {
  std::string address = "127.0.0.1";
  uint16_t port = 8080;     // 0: any that is free
  std::string unix_socket;  // a path, in place of address and port
  uint64_t max_header_bytes = 16 << 10, max_body_bytes = uint64_t{32} << 20;
  uint64_t max_unsent_bytes = uint64_t{64} << 20;  // of one connection, whose client reads too slowly
  size_t max_connections = 1024;
  int header_s = 20, body_s = 120, idle_s = 75, write_s = 60;  // after these a connection is closed
  int drain_s = 30;
  // What a refusal of the server itself is answered with: a status and what is wrong.
  std::function<Response(int status, std::string_view message)> refuse;
};

class Server {
 public:
  // Listens. ResourceError or UserError: the address cannot be had.
  Server(Options options, Handler handler);
  ~Server();
  uint16_t port() const;
  // Serves until `should_stop` says so (asked every 50 ms), then takes no more, finishes what was begun (at most drain_s)
  // and returns.
  void run(const std::function<bool()>& should_stop);
  size_t num_connections() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Whether two secrets are equal, in a time that does not tell where they differ.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace mom::http
