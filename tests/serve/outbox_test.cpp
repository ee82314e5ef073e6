// Slow things do not hold up the one who posts them, and the order stays.
#include "mom/serve/outbox.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace mom::serve {
namespace {

TEST(Outbox, QuickThingsWaitOnlyForSlowOnesOfTheirOwnJob) {
  SlowThread thread;
  const auto first = std::make_shared<Outbox>(thread), second = std::make_shared<Outbox>(thread);
  std::promise<void> gate, finished;
  std::vector<int> done;
  first->post([&] { done.push_back(1); }, false);
  EXPECT_EQ(done, std::vector<int>{1});  // at once
  first->post(
      [&] {
        gate.get_future().wait();
        done.push_back(2);
      },
      true);
  first->post([&] { done.push_back(3); }, false);
  bool other = false;
  second->post([&] { other = true; }, false);
  EXPECT_TRUE(other);
  gate.set_value();
  first->post([&] { finished.set_value(); }, true);
  finished.get_future().wait();
  EXPECT_EQ(done, (std::vector<int>{1, 2, 3}));
}

TEST(Outbox, TheEndDropsWhatWaits) {
  bool ran = false;
  {
    std::promise<void> gate;
    auto thread = std::make_unique<SlowThread>();
    const auto outbox = std::make_shared<Outbox>(*thread);
    std::promise<void> begun;
    outbox->post(
        [&] {
          begun.set_value();
          gate.get_future().wait();
        },
        true);
    outbox->post([&] { ran = true; }, true);
    begun.get_future().wait();
    std::thread ends([&] { thread.reset(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    gate.set_value();
    ends.join();
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace mom::serve
