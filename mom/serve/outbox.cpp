#include "mom/serve/outbox.h"

namespace mom::serve {

SlowThread::SlowThread() : thread_([this] { main(); }) {}

SlowThread::~SlowThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void SlowThread::add(std::shared_ptr<Outbox> outbox) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(outbox));
  }
  wake_.notify_one();
}

// One task of each outbox in turn.
void SlowThread::main() {
  while (true) {
    std::shared_ptr<Outbox> outbox;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
      if (stop_) return;
      outbox = std::move(waiting_.front());
      waiting_.pop_front();
    }
    if (outbox->run_next()) add(std::move(outbox));
  }
}

bool Outbox::run_next() {
  std::function<void()> task;
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty()) {
      busy_ = false;
      return false;
    }
    task = std::move(tasks_.front());
    tasks_.pop_front();
  }
  task();
  return true;
}

bool Outbox::busy() {
  const std::lock_guard lock(mutex_);
  return busy_;
}

void Outbox::enqueue(std::function<void()> task) {
  bool was_busy = false;
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    was_busy = std::exchange(busy_, true);
  }
  if (!was_busy) thread_.add(shared_from_this());
}

}  // namespace mom::serve
