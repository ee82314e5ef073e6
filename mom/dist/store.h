// What calls of c10d's stores need around them.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <thread>

namespace mom::dist {

// A store whose process is stopped, or another program at its port, answers nothing, and not all calls have a timeout.
// `call` runs in a thread that is left behind when the time is over: it must own what it uses.
template <class Call>
auto within(std::chrono::milliseconds time, Call call) {
  using Result = decltype(call());
  const auto task = std::make_shared<std::packaged_task<Result()>>(std::move(call));
  std::future<Result> result = task->get_future();
  std::thread([task] { (*task)(); }).detach();
  if (result.wait_for(time) != std::future_status::ready) return std::optional<Result>();
  return std::optional<Result>(result.get());
}

// While one of these lives, c10d logs nothing: it would print pages about errors that we turn into one line.
// TORCH_CPP_LOG_LEVEL, where it is set, keeps its say.
class QuietStore {
 public:
  QuietStore();
  ~QuietStore();
  QuietStore(const QuietStore&) = delete;
  QuietStore& operator=(const QuietStore&) = delete;
};

}  // namespace mom::dist
