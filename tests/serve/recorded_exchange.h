// An exchange that keeps what a client would get.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "mom/base/json.h"
#include "mom/http/http.h"
#include "tests/serve/plain_model.h"

namespace mom::serve {

class RecordedExchange : public http::Exchange {
 public:
  void respond(http::Response response) override {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    head_ = std::move(response);
    body_ = head_.body;
    ended_ = true;
  }
  void begin(http::Response head, std::function<std::string()> rest) override {
    const std::lock_guard lock(mutex_);
    head_ = std::move(head);
    rest_ = std::move(rest);
  }
  void more() override {
    const std::lock_guard lock(mutex_);
    if (!ended_) body_ += rest_();
  }
  void end() override {
    const std::lock_guard lock(mutex_);
    if (!ended_) body_ += rest_();
    ended_ = true;
  }
  bool gone() const override { return left; }

  // What there is by now.
  std::string so_far() const {
    const std::lock_guard lock(mutex_);
    return body_;
  }
  bool ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  // Of a whole answer.
  int status() const { return answer().status; }
  std::string body() const { return answer().body; }
  Json json() const { return Json::parse(body()); }
  Json error() const { return json().at("error"); }
  std::string header(std::string_view name) const {
    const http::Response whole = answer();
    const auto found = std::find_if(whole.headers.begin(), whole.headers.end(),
                                    [&](const auto& header) { return header.first == name; });
    return found == whole.headers.end() ? "" : found->second;
  }
  http::Response answer() const {
    wait_for("an answer", [&] { return ended(); });
    const std::lock_guard lock(mutex_);
    http::Response whole = head_;
    whole.body = body_;
    return whole;
  }
  std::atomic<bool> left = false;

 private:
  mutable std::mutex mutex_;
  http::Response head_;
  std::function<std::string()> rest_;
  std::string body_;
  bool ended_ = false;
};

}  // namespace mom::serve
