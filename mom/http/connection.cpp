#include "mom/http/connection.h"

#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <thread>

namespace mom::http {
namespace asio = boost::asio;
namespace beast = boost::beast;

struct Answering {
  std::atomic<bool> gone = false;
};

namespace {

constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kReadAhead = 64 << 10;  // of what comes while a request is being answered
constexpr int kLingerSeconds = 2;

std::string_view reason(int status) {
  return beast::http::obsolete_reason(beast::http::int_to_status(static_cast<unsigned>(status)));
}

std::string head_of(const Response& response, bool keep_alive, bool chunked, bool with_length) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
  head += reason(response.status);
  head += "\r\nContent-Type: " + response.content_type + "\r\nX-Content-Type-Options: nosniff\r\n";
  for (const auto& [name, value] : response.headers)
    head.append(name).append(": ").append(value).append("\r\n");
  if (chunked) head += "Transfer-Encoding: chunked\r\n";
  if (with_length) head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

std::string chunk_of(const std::string& piece) {
  char size[24];
  std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
  return size + piece + "\r\n";
}

// The body of an answer on its way to the I/O thread. What comes within a tick of what was sent before waits for its end, so
// that threads that write many answers, a token at a time, do not wake the I/O thread, on a core of theirs, for each.
// All answers have the same ticks.
class Body : public std::enable_shared_from_this<Body> {
 public:
  Body(Response head, std::function<std::string()> rest) : head_(std::move(head)), rest_(std::move(rest)) {}
  // Whether the I/O thread has to be told: it does not look by itself.
  bool more() {
    waiting_ = true;
    return !watched_.exchange(true);
  }
  // On the I/O thread: sends what there is, at first behind the head.
  void send(Connection& connection, uint64_t exchange) {
    if (std::exchange(begun_, true)) return connection.write_piece(exchange, rest_());
    head_.body = rest_();
    connection.write_head(exchange, head_, /*whole=*/false);
  }
  // The same, and looks again until a tick brings nothing.
  void flush(Connection& connection, uint64_t exchange, const Socket::executor_type& executor) {
    if (!waiting_.exchange(false)) {
      watched_ = false;
      // What came since it was looked for would wait for the next.
      if (!waiting_ || watched_.exchange(true)) return;
      waiting_ = false;
    }
    send(connection, exchange);
    auto timer = std::make_shared<asio::steady_timer>(executor, next_tick());
    timer->async_wait([timer, self = shared_from_this(), weak = connection.weak_from_this(), exchange,
                       executor](beast::error_code) {
      if (const auto alive = weak.lock()) self->flush(*alive, exchange, executor);
    });
  }

 private:
  static std::chrono::steady_clock::time_point next_tick() {
    constexpr std::chrono::milliseconds kTick(40);
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::steady_clock::time_point((now / kTick + 1) * kTick);
  }

  // Of the I/O thread.
  Response head_;
  const std::function<std::string()> rest_;
  bool begun_ = false;
  // Of both.
  std::atomic<bool> waiting_ = false, watched_ = false;
};

class ExchangeOf : public Exchange {
 public:
  ExchangeOf(std::weak_ptr<Connection> connection, Socket::executor_type executor, uint64_t number,
             std::shared_ptr<Answering> answering)
      : connection_(std::move(connection)),
        executor_(executor),
        number_(number),
        answering_(std::move(answering)) {}
  ~ExchangeOf() override {
    if (begun_)
      end();
    else
      respond({.status = 500, .body = kNoAnswer});
  }
  void respond(Response response) override {
    begun_ = ended_ = true;
    tell([response = std::move(response), n = number_](Connection& c) {
      c.write_head(n, response, /*whole=*/true);
    });
  }
  void begin(Response head, std::function<std::string()> rest) override {
    begun_ = true;
    body_ = std::make_shared<Body>(std::move(head), std::move(rest));
  }
  void more() override {
    if (answering_->gone || !body_ || !body_->more()) return;
    tell([body = body_, n = number_, executor = executor_](Connection& c) { body->flush(c, n, executor); });
  }
  void end() override {
    if (ended_.exchange(true)) return;
    tell([body = body_, n = number_](Connection& c) {
      if (body) body->send(c, n);
      c.finish(n);
    });
  }
  bool gone() const override { return answering_->gone; }

 private:
  static constexpr const char* kNoAnswer =
      R"({"error":{"message":"no answer was made","type":"server_error","param":null,"code":null}})";

  template <class Function>
  void tell(Function function) {
    if (answering_->gone) return;
    asio::dispatch(executor_, [connection = connection_, function = std::move(function)]() mutable {
      if (const auto alive = connection.lock()) function(*alive);
    });
    // The I/O thread may have been put aside by the very thread that calls, or wait for asio's lock, with which it is woken:
    // who computes on would keep it from its core for the rest of a slice, 3 ms.
    if (!on_io_thread()) std::this_thread::yield();
  }
  bool on_io_thread() const {
    return executor_.target<asio::io_context::executor_type>()->running_in_this_thread();
  }

  std::weak_ptr<Connection> connection_;
  Socket::executor_type executor_;
  const uint64_t number_;
  std::shared_ptr<Answering> answering_;
  std::shared_ptr<Body> body_;  // of an answer that was begun
  std::atomic<bool> begun_ = false, ended_ = false;
};

// What a request that cannot be read is answered with.
int status_of(const beast::error_code& code) {
  using beast::http::error;
  if (code == error::header_limit) return 431;
  if (code == error::body_limit) return 413;
  return code == error::bad_version ? 505 : 400;
}

std::string text_of(boost::core::string_view value) { return {value.data(), value.size()}; }

}  // namespace

Connection::Connection(Socket socket, const Options& options, const Handler& handler)
    : socket_(std::move(socket)), options_(options), handler_(handler) {
  begin_request();
}

void Connection::set_deadline(int seconds) {
  deadline_ = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
}

void Connection::begin_request() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(options_.max_header_bytes));
  parser_->body_limit(options_.max_body_bytes);
  parser_->eager(true);
  phase_ = Phase::kReading;
  set_deadline(options_.idle_s);
}

void Connection::read() {
  const bool full = phase_ != Phase::kReading && buffer_.size() >= kReadAhead;
  if (reading_ || closed() || full) return;
  reading_ = true;
  socket_.async_read_some(
      buffer_.prepare(kReadBytes), [self = shared_from_this()](beast::error_code error, size_t count) {
        self->reading_ = false;
        const bool sends_last = self->phase_ == Phase::kFlushing && error == asio::error::eof;
        if (sends_last) self->keep_alive_ = false;
        if (error) return sends_last ? void() : self->close();
        self->buffer_.commit(count);
        if (self->phase_ == Phase::kLingering) self->buffer_.clear();
        if (self->phase_ == Phase::kReading) self->process();
        self->read();
      });
}

void Connection::process() {
  if (closed() || buffer_.size() == 0) return;
  if (!parser_->got_some()) set_deadline(options_.header_s);
  const bool had_header = parser_->is_header_done();
  beast::error_code error;
  buffer_.consume(parser_->put(buffer_.data(), error));
  if (error && error != beast::http::error::need_more) {
    const int status = status_of(error);
    return refuse_and_close(status, status == 431   ? "the header is too large"
                                    : status == 413 ? "the body is too large"
                                                    : "not an HTTP/1.1 request: " + error.message());
  }
  if (!had_header && parser_->is_header_done()) {
    set_deadline(options_.body_s);
    if (parser_->get()["Expect"] == "100-continue" && !parser_->is_done())
      enqueue("HTTP/1.1 100 Continue\r\n\r\n");
  }
  if (parser_->is_done()) dispatch();
}

void Connection::dispatch() {
  auto message = parser_->release();
  keep_alive_ = message.keep_alive() && !draining_;
  chunked_ = message.version() >= 11;
  const std::string target = text_of(message.target());
  Request request{.method = text_of(message.method_string()),
                  .path = target.substr(0, target.find('?')),
                  .query = target.substr(std::min(target.find('?'), target.size() - 1) + 1),
                  .host = text_of(message["Host"]),
                  .origin = text_of(message["Origin"]),
                  .content_type = text_of(message["Content-Type"]),
                  .authorization = text_of(message["Authorization"]),
                  .accept_encoding = text_of(message["Accept-Encoding"]),
                  .if_none_match = text_of(message["If-None-Match"]),
                  .body = std::move(message.body())};
  head_only_ = request.method == "HEAD";
  if (head_only_) request.method = "GET";
  phase_ = Phase::kAnswering;
  streaming_ = false;
  deadline_ = std::chrono::steady_clock::time_point::max();
  answering_ = std::make_shared<Answering>();
  handler_(std::move(request),
           std::make_shared<ExchangeOf>(weak_from_this(), socket_.get_executor(), ++exchange_, answering_));
}

void Connection::write_head(uint64_t exchange, const Response& head, bool whole) {
  if (!is_for(exchange)) return;
  if (draining_) keep_alive_ = false;
  if (!whole && !chunked_) keep_alive_ = false;  // HTTP/1.0: the end of the connection ends the body
  streaming_ = !whole;
  std::string bytes = head_of(head, keep_alive_, streaming_ && chunked_, whole);
  if (!head_only_) bytes += head.body.empty() || whole || !chunked_ ? head.body : chunk_of(head.body);
  enqueue(std::move(bytes));
  if (whole) finish(exchange);
}

void Connection::write_piece(uint64_t exchange, std::string piece) {
  if (piece.empty() || !is_for(exchange) || !streaming_ || head_only_) return;
  enqueue(chunked_ ? chunk_of(piece) : std::move(piece));
  if (unsent_bytes_ > options_.max_unsent_bytes) close();
}

void Connection::finish(uint64_t exchange) {
  if (!is_for(exchange)) return;
  if (streaming_ && chunked_ && !head_only_) enqueue("0\r\n\r\n");
  phase_ = Phase::kFlushing;
  answering_.reset();
  if (!writing_) next();
}

void Connection::next() {
  if (keep_alive_ && !draining_) {
    begin_request();
    process();
    return read();
  }
  if (!lingers_) return close();
  // Says that nothing more comes, and reads what the client still sends for a moment: closing at once would make its
  // system drop the answer.
  beast::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  phase_ = Phase::kLingering;
  buffer_.clear();
  set_deadline(kLingerSeconds);
  read();
}

void Connection::enqueue(std::string bytes) {
  unsent_bytes_ += bytes.size();
  unsent_.push_back(std::move(bytes));
  if (!writing_ && !closed()) write();
}

void Connection::write() {
  writing_ = true;
  if (phase_ != Phase::kReading) set_deadline(options_.write_s);
  asio::async_write(socket_, asio::buffer(unsent_.front()),
                    [self = shared_from_this()](beast::error_code error, size_t count) {
                      self->writing_ = false;
                      if (error) return self->close();
                      self->unsent_bytes_ -= count;
                      self->unsent_.pop_front();
                      if (!self->unsent_.empty()) return self->write();
                      if (self->phase_ == Phase::kAnswering)
                        self->deadline_ = std::chrono::steady_clock::time_point::max();
                      if (self->phase_ == Phase::kFlushing) self->next();
                    });
}

void Connection::refuse_and_close(int status, std::string_view message, bool lingers) {
  keep_alive_ = false;
  lingers_ = lingers;
  phase_ = Phase::kFlushing;
  const Response response = options_.refuse(status, message);
  enqueue(head_of(response, false, false, true) + response.body);
}

void Connection::close() {
  if (answering_) answering_->gone = true;
  answering_.reset();
  beast::error_code ignored;
  socket_.close(ignored);
}

void Connection::drain() {
  draining_ = true;
  if (phase_ == Phase::kReading && !parser_->got_some()) close();
}

void Connection::check_deadline(std::chrono::steady_clock::time_point now) {
  if (closed() || now < deadline_) return;
  const bool speaks = phase_ == Phase::kReading && !writing_ && parser_->got_some();
  if (!speaks) return close();
  refuse_and_close(408, "the request did not come in time");
}

}  // namespace mom::http
