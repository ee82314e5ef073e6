// What a job's client is told, in order, without making the engine wait: quick things at once, slow ones (an image or a
// sound to decode) and what follows them on a thread of their own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace mom::serve {

class Outbox;

// The thread of slow things, shared by all jobs.
class SlowThread {
 public:
  SlowThread();
  ~SlowThread();  // finishes what it is at, drops the rest
  void add(std::shared_ptr<Outbox> outbox);

 private:
  void main();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Outbox>> waiting_;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the others
};

// Of one job; posted to by one thread.
class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  explicit Outbox(SlowThread& thread) : thread_(thread) {}
  template <class Task>
  void post(Task task, bool slow) {
    if (!slow && !busy()) return task();  // nothing is before it
    enqueue(std::move(task));
  }

 private:
  friend class SlowThread;
  bool busy();
  void enqueue(std::function<void()> task);
  bool run_next();  // false: there was none
  SlowThread& thread_;
  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
  bool busy_ = false;  // the slow thread has it, or will
};

}  // namespace mom::serve
