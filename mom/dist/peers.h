// What the ranks know of each other beside their operations. Through the store where they met, each of them says a few times
// per second that it lives and which operation it has come to, and at its end why. When an operation fails, this
// tells a rank that is gone from one that is late.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "mom/dist/rendezvous.h"

namespace mom::dist {

class Peers {
 public:
  Peers(const Place& place, const c10::intrusive_ptr<c10d::Store>& store);
  // Leaves. Where this rank keeps the store, it waits for the others to leave, a few seconds at most.
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  void enter(int64_t operation) { operation_ = operation; }
  enum class Reason { kDone, kOwnError, kLostAnother };
  void leave(Reason reason, const std::string& why);  // the first call counts
  // After an operation failed: which rank is why, as a sentence; empty: nothing is known. Takes up to 2 s.
  std::string blame();

 private:
  struct Seen {
    std::string beat, bye;  // empty: none
    bool moved = false;     // a new beat since we look
  };
  void beat(const std::stop_token& stop);
  static std::vector<Seen> look(c10d::Store& store, int size);
  static void look_again(c10d::Store& store, std::vector<Seen>& seen);
  static std::vector<Seen> look_until_clear(c10d::Store& store, int size);
  std::string sentence(const std::vector<Seen>& seen) const;

  Place place_;
  // Connections to the same store: the one that keeps it open on rank 0, the beating thread's, and one that may be left
  // behind waiting for an answer.
  c10::intrusive_ptr<c10d::Store> store_, beats_, asks_;
  std::atomic<int64_t> operation_ = 0;
  bool left_ = false;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace mom::dist
