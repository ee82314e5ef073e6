// A job whose client has left ends before the next step, wherever it is.
#include "mom/serve/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "tests/serve/plain_model.h"

namespace mom::serve {
namespace {

// A client who leaves when `left` says so, after some events, or after being asked some times.
struct Client : Sink {
  int events_until_gone = -1, asked_until_gone = -1;
  std::atomic<int> events = 0, asked = 0;
  std::atomic<bool> finished = false, left = false;
  void event(Event) override { ++events; }
  void done(const Usage&) override { finished = true; }
  void failed(const ApiError& error) override { ADD_FAILURE() << error.what(); }
  bool gone() const override {
    auto& own = const_cast<Client&>(*this);  // NOLINT: counts how often it is asked
    return left || (asked_until_gone >= 0 && own.asked++ >= asked_until_gone) ||
           (events_until_gone >= 0 && events >= events_until_gone);
  }
};

class Cancel : public ::testing::Test {
 protected:
  void SetUp() override {
    write_plain_model(folder_.path());
    WorkerOptions options;
    options.run = folder_.path();
    options.parallel = 2;
    options.max_tokens = 1'000'000;
    worker_ = std::make_unique<Worker>(options);
    while (worker_->state() == Worker::State::kLoading) std::this_thread::yield();
    ASSERT_EQ(worker_->state(), Worker::State::kReady) << worker_->failure();
  }
  WorkerStats wait_until(const std::function<bool(const WorkerStats&)>& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (true) {
      const WorkerStats stats = worker_->stats();
      if (holds(stats)) return stats;
      if (std::chrono::steady_clock::now() > end)
        throw std::runtime_error("jobs go on, or ended by themselves");
      std::this_thread::yield();
    }
  }
  // Until `count` jobs were abandoned and no slot is taken.
  WorkerStats after(int64_t count) {
    return wait_until([&](const WorkerStats& stats) {
      return stats.abandoned == count && stats.slots.empty() && stats.jobs == 0 && stats.waiting == 0;
    });
  }
  test::TempFolder folder_;
  std::unique_ptr<Worker> worker_;
};

TEST_F(Cancel, WhileWriting) {
  const auto client = std::make_shared<Client>();
  client->events_until_gone = 20;
  ASSERT_TRUE(worker_->submit(endless(3), client));
  const WorkerStats stats = after(1);
  EXPECT_EQ(client->events, 20);
  EXPECT_EQ(stats.written_tokens, 20);  // the step that told of the last one was the last
  EXPECT_FALSE(client->finished);
}

TEST_F(Cancel, WhileItsPromptIsRead) {
  const auto client = std::make_shared<Client>();
  client->asked_until_gone = 4;  // in the queue, then before each step
  ASSERT_TRUE(worker_->submit(endless(4000), client));
  const WorkerStats stats = after(1);
  EXPECT_LE(stats.steps, 4);
  EXPECT_LE(stats.read_tokens, 4 * 256);
  EXPECT_EQ(client->events, 0);
}

TEST_F(Cancel, WhileItWaits) {
  std::vector<std::shared_ptr<Client>> clients(3);
  for (auto& client : clients) {
    client = std::make_shared<Client>();
    ASSERT_TRUE(worker_->submit(endless(3), client));
  }
  wait_until([](const WorkerStats& stats) { return stats.jobs == 2 && stats.waiting == 1; });
  clients[2]->left = true;
  const WorkerStats stats = wait_until([](const WorkerStats& now) { return now.waiting == 0; });
  EXPECT_EQ(stats.jobs, 2u);
  EXPECT_EQ(clients[2]->events, 0);
  clients[0]->left = clients[1]->left = true;
  after(3);
}

}  // namespace
}  // namespace mom::serve
