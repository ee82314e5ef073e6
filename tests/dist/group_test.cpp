#include "mom/dist/group.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

namespace mom::dist {
namespace {

// `body` on every rank of a group of threads; what each of them threw, empty: nothing.
std::vector<std::string> on_threads(int size, const std::function<void(Group&)>& body) {
  std::vector<std::unique_ptr<Group>> groups = thread_groups(size);
  std::vector<std::string> errors(groups.size());
  {
    std::vector<std::jthread> threads;
    for (size_t r = 0; r < groups.size(); ++r)
      threads.emplace_back([&, r] {
        try {
          body(*groups[r]);
        } catch (const std::exception& error) {
          errors[r] = std::string(error.what()).substr(0, 200);
        }
        groups[r].reset();
      });
  }
  return errors;
}

void expect_no_error(const std::vector<std::string>& errors) {
  for (const std::string& error : errors) EXPECT_EQ(error, "");
}

at::Tensor numbers(int64_t count, int rank) { return at::arange(count, at::kFloat) + 1000 * rank; }

void move_everything(Group& group) {
  const int n = group.size(), rank = group.rank();
  const at::Tensor in = numbers(n * 3, rank), out = at::empty_like(in);
  const auto first = group.all_to_all(out, in);
  const at::Tensor gathered = at::empty({n * 2}), own = gathered.narrow(0, rank * 2, 2);
  own.copy_(numbers(2, rank));
  const auto second = group.all_gather(gathered, own);
  second->wait();
  first->wait();
  for (int r = 0; r < n; ++r) {
    EXPECT_TRUE(out.narrow(0, r * 3, 3).equal(numbers(n * 3, r).narrow(0, rank * 3, 3)));
    EXPECT_TRUE(gathered.narrow(0, r * 2, 2).equal(numbers(2, r)));
  }
  EXPECT_EQ(group.bytes_sent(), (n - 1) * (3 + 2) * 4);
  for (int root = 0; root < n; ++root)
    for (int64_t size : {0, 1, 5, 8}) {  // also fewer than there are ranks
      const at::Tensor tensor = numbers(size, rank).to(at::kBFloat16);
      group.broadcast(tensor, root);
      EXPECT_TRUE(tensor.equal(numbers(size, root).to(at::kBFloat16)));
    }
  const auto doubles = group.gather_doubles({rank + 0.5, -1.0 * rank});
  const auto texts = group.gather_strings(std::string(static_cast<size_t>(rank), 'x'));
  for (int r = 0; r < n; ++r) {
    EXPECT_EQ(doubles[static_cast<size_t>(r)], (std::vector<double>{r + 0.5, -1.0 * r}));
    EXPECT_EQ(texts[static_cast<size_t>(r)], std::string(static_cast<size_t>(r), 'x'));
  }
  group.barrier();
}

TEST(Group, movesEverythingToItsPlace) {
  move_everything(*alone());
  for (int n = 1; n <= 5; ++n) expect_no_error(on_threads(n, move_everything));
}

TEST(Group, exchangesPartsOfAnySize) {
  expect_no_error(on_threads(3, [](Group& group) {
    std::vector<at::Tensor> to, from;  // rank r gives rank s r + 2 s numbers
    for (int s = 0; s < 3; ++s) {
      to.push_back(at::full({group.rank() + 2 * s}, group.rank(), at::kLong));
      from.push_back(at::empty({s + 2 * group.rank()}, at::kLong));
    }
    group.exchange(to, from)->wait();
    for (int s = 0; s < 3; ++s)
      EXPECT_TRUE(from[static_cast<size_t>(s)].equal(at::full({s + 2 * group.rank()}, s, at::kLong)));
  }));
}

TEST(Group, refusesWhatDoesNotFit) {
  for (const std::string& error :
       on_threads(2, [](Group& group) { group.all_to_all(at::zeros({3}), at::zeros({3})); }))
    EXPECT_NE(error.find("expected one dimension that 2 divides, got [3]"), std::string::npos) << error;
  for (const std::string& error :
       on_threads(2, [](Group& group) { group.all_gather(at::zeros({3}), at::zeros({1})); }))
    EXPECT_NE(error.find("expected out of 2 times in"), std::string::npos) << error;
  for (const std::string& error :
       on_threads(2, [](Group& group) { group.all_gather(at::zeros({2}), at::zeros({1}, at::kDouble)); }))
    EXPECT_NE(error.find("double"), std::string::npos) << error;
  const at::Tensor strided = at::zeros({8}).slice(0, 0, 8, 2);
  for (const std::string& error : on_threads(2, [&](Group& group) { group.broadcast(strided, 0); }))
    EXPECT_NE(error.find("expected a contiguous tensor"), std::string::npos) << error;
}

TEST(Group, saysWhoLeftOrIsLate) {
  auto errors = on_threads(3, [](Group& group) {
    if (group.rank() == 1) return group.leave("out of disk space");
    group.barrier();
  });
  EXPECT_EQ(errors, (std::vector<std::string>{"rank 1 has left: out of disk space", "",
                                              "rank 1 has left: out of disk space"}));
  errors = on_threads(2, [](Group& group) {
    group.set_timeout(std::chrono::milliseconds(50));
    if (group.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    group.barrier();
  });
  EXPECT_EQ(errors[0], "rank 1 is late");
}

}  // namespace
}  // namespace mom::dist
