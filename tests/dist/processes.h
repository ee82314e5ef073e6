// Groups of processes on the loopback: each rank is the program a_rank.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>

#include "mom/base/process.h"
#include "tests/support/temp_folder.h"

namespace mom::dist {
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A listening socket on a port that was free.
class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, 8) != 0)
      throw std::runtime_error("no port");
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int port() const { return port_; }

 private:
  int fd_, port_ = 0;
};

struct Outcome {
  Ended ended;
  std::string text;  // stdout and stderr
  double seconds = 0;
};

class Processes : public testing::Test {
 protected:
  void SetUp() override {
    const char* program = std::getenv("MOM_A_RANK");
    if (!program) GTEST_SKIP() << "MOM_A_RANK is not set";
    program_ = program;
    port_ = Listener().port();
  }

  Path log(size_t index) const { return folder_ / ("log" + std::to_string(index)); }
  std::string text(size_t index) const {
    return std::filesystem::exists(log(index)) ? read_file(log(index)) : "";
  }

  void start(const std::vector<std::string>& words, std::vector<std::string> variables) {
    variables.push_back("OMP_NUM_THREADS=1");
    ranks_.push_back(
        std::make_unique<Child>(program_, words, Child::Options{variables, log(ranks_.size()), ""}));
  }
  void start_rank(const std::string& job, int rank, int size, int timeout_s) {
    start({job}, {"RANK=" + std::to_string(rank), "WORLD_SIZE=" + std::to_string(size),
                  "LOCAL_RANK=" + std::to_string(rank), "MASTER_ADDR=127.0.0.1",
                  "MASTER_PORT=" + std::to_string(port_), "MOM_DIST_TIMEOUT_S=" + std::to_string(timeout_s)});
  }
  void start_all(const std::string& job, int size, int timeout_s = 30) {
    for (int rank = 0; rank < size; ++rank) start_rank(job, rank, size, timeout_s);
  }

  void until(const std::function<bool()>& true_) {
    const auto end = Clock::now() + std::chrono::seconds(20);
    while (!true_()) {
      if (Clock::now() > end) throw std::runtime_error("it did not happen within 20 s");
      std::this_thread::sleep_for(milliseconds(5));
    }
  }
  void until_started() {
    until([&] {
      for (size_t r = 0; r < ranks_.size(); ++r)
        if (text(r).find("started") == std::string::npos) return false;
      return true;
    });
  }

  // How all but those in `without` end.
  std::vector<Outcome> outcomes(const std::vector<size_t>& without = {}) {
    std::vector<Outcome> all(ranks_.size());
    const auto begin = Clock::now();
    for (size_t r = 0; r < ranks_.size(); ++r) {
      if (std::find(without.begin(), without.end(), r) != without.end()) continue;
      until([&] {
        const auto ended = ranks_[r]->poll();
        if (ended) all[r].ended = *ended;
        return ended.has_value();
      });
      all[r].seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      all[r].text = text(r);
    }
    return all;
  }

  test::TempFolder folder_;
  Path program_;
  int port_ = 0;
  std::vector<std::unique_ptr<Child>> ranks_;
};

inline void expect_error(const Outcome& outcome, int code, const std::string& part) {
  EXPECT_EQ(outcome.ended.code, code) << outcome.text;
  EXPECT_EQ(outcome.ended.signal, 0);
  std::string error = outcome.text;
  if (error.starts_with("started\n")) error = error.substr(8);
  EXPECT_NE(error.find(part), std::string::npos) << outcome.text;
  EXPECT_TRUE(error.starts_with("error: ") && error.find('\n') == error.size() - 1) << "one line: " << error;
}

}  // namespace mom::dist
