#include "mom/serve/pages.h"

#include <utility>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/report/page.h"

namespace mom::serve {
namespace {

constexpr size_t kMaxWaiting = 64;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string percent_decoded(const std::string& text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1,
              low = high < 0 ? -1 : hex_digit(text[i + 2]);
    if (low < 0) throw ApiError(400, "the address has a broken % escape");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::vector<std::string> query_values(const std::string& query, const std::string& name) {
  std::vector<std::string> values;
  for (size_t begin = 0; begin <= query.size();) {
    const size_t end = std::min(query.find('&', begin), query.size());
    const std::string pair = query.substr(begin, end - begin);
    if (pair.starts_with(name + "="))
      values.push_back(percent_decoded(pair.substr(name.size() + 1), /*plus_is_space=*/true));
    begin = end + 1;
  }
  return values;
}

Page::Page(const std::string& name)
    : html_(report::live_page(name)), etag_('"' + sha256_hex(html_).substr(0, 32) + '"') {}

http::Response Page::answer(const http::Request& request) const {
  http::Response response{.content_type = "text/html; charset=utf-8",
                          .headers = {{"Content-Security-Policy", "frame-ancestors 'none'"},
                                      {"Referrer-Policy", "no-referrer"},
                                      {"X-Content-Type-Options", "nosniff"},
                                      {"Cache-Control", "no-cache"},
                                      {"ETag", etag_}}};
  if (request.if_none_match == etag_)
    response.status = 304;
  else
    response.body = html_;
  return response;
}

Dashboard::Dashboard(const Path& folder, Access access)
    : access_(std::move(access)),
      runs_(folder),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

void Dashboard::handle(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange) {
  try {
    route(request, exchange);
  } catch (const ApiError& error) {
    exchange->respond(to_response(error));
  }
}

void Dashboard::route(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange) {
  const auto is = [&](const char* path) { return request.path == path; };
  check_access(request, access_, /*open=*/is("/health") || is("/"));
  if (!is("/health") && !is("/") && !is("/api/runs") && !is("/api/page"))
    throw ApiError(404, "no such route", "", "not_found");
  if (request.method != "GET") throw ApiError(405, "this route takes GET", "", "method_not_allowed");
  if (is("/health")) return exchange->respond({.body = R"({"status":"ok"})"});
  if (is("/")) return exchange->respond(page_.answer(request));
  if (is("/api/runs")) return answer_later([this] { return runs_.list().dump(); }, exchange);
  answer_later([this, ids = query_values(request.query, "run")] { return runs_.page(ids).dump(); }, exchange);
}

void Dashboard::answer_later(std::function<std::string()> json, std::shared_ptr<http::Exchange> exchange) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMaxWaiting)
    throw ApiError(429, "the queue is full; ask again later", "", "queue_full");
  waiting_.emplace_back(std::move(json), std::move(exchange));
  wake_.notify_one();
}

void Dashboard::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::pair<std::function<std::string()>, std::shared_ptr<http::Exchange>> next;
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    auto& [json, exchange] = next;
    if (exchange->gone()) continue;
    try {
      exchange->respond({.body = json(), .headers = {{"Cache-Control", "no-store"}}});
    } catch (const UserError& error) {
      exchange->respond(to_response({400, error.what(), "run"}));
    } catch (const std::exception& error) {  // a file that is being replaced, or is damaged
      exchange->respond(to_response({500, error.what()}));
    }
  }
}

}  // namespace mom::serve
