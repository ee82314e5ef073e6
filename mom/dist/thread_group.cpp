// A group of threads: an exchange is done by the last thread that comes to it.
#include <ATen/ATen.h>

#include <condition_variable>
#include <map>
#include <mutex>

#include "mom/dist/group.h"

namespace mom::dist {
namespace {

using Tensors = std::vector<at::Tensor>;

// One exchange: what each rank gives and takes, empty until it comes.
struct Meeting {
  std::vector<Tensors> to, from;
  size_t arrived = 0;
};

class Hub {
 public:
  explicit Hub(int size) : size_(static_cast<size_t>(size)), left_(size_) {}
  size_t size() const { return size_; }

  void arrive(int64_t number, size_t rank, Tensors to, Tensors from) {
    const std::lock_guard lock(mutex_);
    Meeting& meeting = meetings_[number];
    meeting.to.resize(size_);
    meeting.from.resize(size_);
    meeting.to[rank] = std::move(to);
    meeting.from[rank] = std::move(from);
    if (++meeting.arrived < size_) return;
    for (size_t giver = 0; giver < size_; ++giver)
      for (size_t taker = 0; taker < size_; ++taker)
        if (giver != taker) meeting.from[taker][giver].copy_(meeting.to[giver][taker]);
    meetings_.erase(number);
    changed_.notify_all();
  }

  void wait(int64_t number, std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    size_t absent = size_;  // a rank that left and will not come
    const bool ended = changed_.wait_for(lock, timeout, [&] {
      const auto meeting = meetings_.find(number);
      if (meeting == meetings_.end()) return true;
      for (size_t r = 0; r < size_; ++r)
        if (meeting->second.to[r].empty() && !left_[r].empty()) absent = r;
      return absent < size_;
    });
    if (absent < size_) throw PeerError("rank " + std::to_string(absent) + " has left: " + left_[absent]);
    if (ended) return;
    for (size_t r = 0; r < size_; ++r)
      if (meetings_[number].to[r].empty()) throw PeerError("rank " + std::to_string(r) + " is late");
  }

  void leave(size_t rank, const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (left_[rank].empty()) left_[rank] = why;
    changed_.notify_all();
  }

 private:
  const size_t size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int64_t, Meeting> meetings_;  // those that wait for someone
  std::vector<std::string> left_;        // why; empty: still there
};

class AtHub : public Pending {
 public:
  AtHub(std::shared_ptr<Hub> hub, int64_t number, std::chrono::milliseconds timeout)
      : hub_(std::move(hub)), number_(number), timeout_(timeout) {}
  void wait() override { hub_->wait(number_, timeout_); }

 private:
  std::shared_ptr<Hub> hub_;
  int64_t number_;
  std::chrono::milliseconds timeout_;
};

class ThreadGroup : public Group {
 public:
  ThreadGroup(std::shared_ptr<Hub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}
  ~ThreadGroup() override { hub_->leave(static_cast<size_t>(rank_), "its work is done"); }
  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(hub_->size()); }
  void leave(const std::string& why) override { hub_->leave(static_cast<size_t>(rank_), why); }

 protected:
  std::unique_ptr<Pending> start_exchange(Tensors to, Tensors from) override {
    const int64_t number = next_++;
    hub_->arrive(number, static_cast<size_t>(rank_), std::move(to), std::move(from));
    return std::make_unique<AtHub>(hub_, number, timeout());
  }

 private:
  std::shared_ptr<Hub> hub_;
  int rank_;
  int64_t next_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<Group>> thread_groups(int size) {
  const auto hub = std::make_shared<Hub>(size);
  std::vector<std::unique_ptr<Group>> groups;
  for (int r = 0; r < size; ++r) groups.push_back(std::make_unique<ThreadGroup>(hub, r));
  return groups;
}

}  // namespace mom::dist
