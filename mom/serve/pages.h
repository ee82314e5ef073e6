// Pages that a browser asks for: the playground beside the API, and the dashboard of a folder of runs.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "mom/report/live.h"
#include "mom/serve/access.h"

namespace mom::serve {

// A page that is part of the program and has no data in it; its own policy for scripts is inside.
class Page {
 public:
  explicit Page(const std::string& name);  // as report::live_page
  http::Response answer(const http::Request& request) const;

 private:
  std::string html_, etag_;
};

// `mom serve FOLDER`: `/`, `/health`, and what the page asks for, `/api/runs` and `/api/page?run=ID&run=ID`
// (docs/formats/page.md). Reads, never writes.
class Dashboard {
 public:
  Dashboard(const Path& folder, Access access);
  // On the I/O thread; returns at once.
  void handle(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange);

 private:
  void route(const http::Request& request, const std::shared_ptr<http::Exchange>& exchange);
  // In its turn, on a thread that may read large files.
  void answer_later(std::function<std::string()> json, std::shared_ptr<http::Exchange> exchange);
  void work(const std::stop_token& stop);

  const Access access_;
  const Page page_{"dashboard"};
  report::LiveRuns runs_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::pair<std::function<std::string()>, std::shared_ptr<http::Exchange>>> waiting_;
  std::jthread thread_;  // last: it ends before what it uses
};

// ApiError 400: a broken escape.
std::string percent_decoded(const std::string& text, bool plus_is_space);
// Values of `name` in "name=value&name=value", percent-decoded. ApiError 400: a broken escape.
std::vector<std::string> query_values(const std::string& query, const std::string& name);

}  // namespace mom::serve
