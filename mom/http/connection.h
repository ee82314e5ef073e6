// One client's connection. Internal to mom/http.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "mom/http/http.h"

namespace mom::http {

using Socket = boost::asio::generic::stream_protocol::socket;

// What an exchange and its connection share; the connection may be gone first.
struct Answering;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Socket socket, const Options& options, const Handler& handler);
  void start() { read(); }
  // Of a connection that is over its time: closes it.
  void check_deadline(std::chrono::steady_clock::time_point now);
  void drain();  // closes once nothing is being answered
  // `lingers`: what the client still sends is read for a moment; else it may not get the answer.
  void refuse_and_close(int status, std::string_view message, bool lingers = true);
  void close();
  bool closed() const { return !socket_.is_open(); }

  // Of the exchange with this number, on the I/O thread.
  // With its body, which is all of it if `whole`, else the first piece.
  void write_head(uint64_t exchange, const Response& head, bool whole);
  void write_piece(uint64_t exchange, std::string piece);
  void finish(uint64_t exchange);

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  enum class Phase {
    kReading,    // a request, or waiting for one
    kAnswering,  // what comes meanwhile is the next request's
    kFlushing,   // the answer is complete, not yet sent
    kLingering,  // all is sent, and nothing more will be answered
  };

  void read();
  void process();
  void dispatch();
  void begin_request();
  void next();  // after an answer was sent
  void enqueue(std::string bytes);
  void write();
  void set_deadline(int seconds);
  bool is_for(uint64_t exchange) const { return phase_ == Phase::kAnswering && exchange == exchange_; }

  Socket socket_;
  const Options& options_;
  const Handler& handler_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::shared_ptr<Answering> answering_;
  uint64_t exchange_ = 0;  // the number of the last one
  std::deque<std::string> unsent_;
  size_t unsent_bytes_ = 0;
  Phase phase_ = Phase::kReading;
  bool reading_ = false, writing_ = false, draining_ = false;
  bool keep_alive_ = true, lingers_ = true, chunked_ = false, head_only_ = false, streaming_ = false;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace mom::http
