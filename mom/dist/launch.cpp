#include "mom/dist/launch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/machine.h"
#include "mom/base/process.h"
#include "mom/base/signals.h"

namespace mom::dist {
namespace {

using Clock = std::chrono::steady_clock;

// A free port, already open: rank 0 takes it over, so that nobody else can.
class OpenPort {
 public:
  OpenPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (fd_ < 0 || ::bind(fd_, any, size) != 0 || ::listen(fd_, SOMAXCONN) != 0 ||
        ::getsockname(fd_, any, &size) != 0) {
      if (fd_ >= 0) ::close(fd_);
      throw ResourceError("cannot open a port of 127.0.0.1 for the processes to meet at");
    }
    number_ = ntohs(address.sin_port);
  }
  ~OpenPort() { ::close(fd_); }
  OpenPort(const OpenPort&) = delete;
  OpenPort& operator=(const OpenPort&) = delete;
  int fd() const { return fd_; }
  int number() const { return number_; }

 private:
  int fd_, number_ = 0;
};

int code_of(const Ended& ended) { return ended.signal ? static_cast<int>(ExitCode::kInternal) : ended.code; }
bool stopped(const Ended& ended) { return code_of(ended) == static_cast<int>(ExitCode::kStopped); }

// What a rank says with these, all of them say, and would say again.
bool is_said_by_all(const Ended& ended) {
  const ExitCode code = static_cast<ExitCode>(code_of(ended));
  return code == ExitCode::kUsage || code == ExitCode::kBadInput || code == ExitCode::kDiverged;
}

std::string now_text() {
  char text[32];
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// All ranks, from one start to their end.
class Ranks {
 public:
  Ranks(const LaunchOptions& options, const std::vector<std::string>& arguments) : options_(options) {
    const OpenPort port;
    for (int64_t rank = 0; rank < options.processes; ++rank) start(rank, arguments, port);
  }

  // Until all have ended.
  void run() {
    for (; num_running_ > 0; std::this_thread::sleep_for(std::chrono::milliseconds(20))) {
      if (!asked_ && StopSignals::received() != 0) {
        asked_ = true;
        send(SIGTERM);
      }
      for (Rank& rank : ranks_) poll(rank);
      if (first_) hurry();
    }
  }

  bool failed() const { return first_.has_value(); }
  bool crashed() const { return failed() && !is_said_by_all(*ranks_[*first_].ended); }

  // The error that this end is; nothing where all is well.
  std::optional<Error> error() const {
    const Ended& zero = *ranks_[0].ended;
    if (stopped_early_ && zero.well()) return std::nullopt;  // it had saved all
    if (stopped_early_)
      return Error(ExitCode::kStopped,
                   "stopped with nothing to save, before the first step or after the last; run the same "
                   "command with --resume to go on");
    if (!first_) {
      if (std::none_of(ranks_.begin(), ranks_.end(), [](const Rank& rank) { return stopped(*rank.ended); }))
        return std::nullopt;
      return Error(ExitCode::kStopped, stopped(zero)
                                           ? ""
                                           : "some ranks stopped after a save; run the same command "
                                             "with --resume to go on");
    }
    const Ended& first = *ranks_[*first_].ended;
    const bool said = *first_ == 0 ? zero.signal == 0
                                   : zero.signal == 0 && zero.code == first.code && is_said_by_all(first);
    return Error(static_cast<ExitCode>(code_of(first)), said ? "" : text());
  }

  // How the first rank failed.
  std::string text() const {
    const Rank& rank = ranks_[*first_];
    std::string text = "rank " + std::to_string(*first_) + " of " + std::to_string(ranks_.size()) +
                       " ended by " + describe_end(*rank.ended);
    const std::string line = last_line(rank);
    return text + (line.empty() ? "" : "; the last line of " + rank.log.string() + ": " + line);
  }

 private:
  struct Rank {
    Path log;  // empty: rank 0, whose output is ours
    uint64_t log_begin = 0;
    std::unique_ptr<Child> child;
    std::optional<Ended> ended;
  };

  void start(int64_t number, const std::vector<std::string>& arguments, const OpenPort& port) {
    const std::string count = std::to_string(options_.processes), own = std::to_string(number);
    Child::Options child;
    child.variables = {"RANK=" + own, "LOCAL_RANK=" + own, "WORLD_SIZE=" + count, "MASTER_ADDR=127.0.0.1",
                       "MASTER_PORT=" + std::to_string(port.number())};
    if (!std::getenv("OMP_NUM_THREADS")) {
      const int64_t threads = std::max<int64_t>(1, read_machine(".").threads_allowed / options_.processes);
      child.variables.push_back("OMP_NUM_THREADS=" + std::to_string(threads));
    }
    Rank rank;
    if (number == 0) {
      child.inherited = port.fd();
      child.variables.push_back("MOM_DIST_LISTEN_FD=" + std::to_string(port.fd()));
    } else {
      rank.log = options_.logs / ("rank-" + own + ".log");
      LineAppender(rank.log).append("--- " + now_text() + " rank " + own + " of " + count);
      rank.log_begin = std::filesystem::file_size(rank.log);
      child.log = rank.log;
    }
    rank.child = std::make_unique<Child>(options_.program, arguments, child);
    ranks_.push_back(std::move(rank));
    ++num_running_;
  }

  void poll(Rank& rank) {
    if (rank.ended || !(rank.ended = rank.child->poll())) return;
    --num_running_;
    stopped_early_ |= asked_ && num_sent_ == 0 && rank.ended->signal == SIGTERM;
    if (first_ || rank.ended->well() || stopped(*rank.ended)) return;
    first_ = static_cast<size_t>(&rank - ranks_.data());
    failed_at_ = Clock::now();
  }

  void send(int signal) {
    for (Rank& rank : ranks_) rank.child->send(signal);
  }

  // A rank has failed: the others cannot go on.
  void hurry() {
    const auto passed = Clock::now() - failed_at_;
    if (num_sent_ == 0 && passed > options_.patience) send(SIGTERM), ++num_sent_;
    if (num_sent_ == 1 && passed > 2 * options_.patience) send(SIGKILL), ++num_sent_;
  }

  static std::string last_line(const Rank& rank) {
    if (rank.log.empty()) return "";
    std::string text = read_file(rank.log).substr(rank.log_begin);
    text.erase(text.find_last_not_of('\n') + 1);
    const size_t newline = text.rfind('\n');
    return newline == std::string::npos ? text : text.substr(newline + 1);
  }

  const LaunchOptions& options_;
  std::vector<Rank> ranks_;
  int64_t num_running_ = 0;
  std::optional<size_t> first_;  // the rank that failed first
  Clock::time_point failed_at_;
  int num_sent_ = 0;
  bool asked_ = false;          // to stop
  bool stopped_early_ = false;  // a rank ended by the signal itself, while it started or after its last save
};

void check_environment() {
  for (const char* name : {"RANK", "WORLD_SIZE"})
    if (std::getenv(name))
      throw UserError({"--processes",
                       "no " + std::string(name) + " in the environment, which another launcher sets",
                       std::getenv(name), "leave out --processes, or unset " + std::string(name)});
}

}  // namespace

void launch(const LaunchOptions& options) {
  check_environment();
  if (options.processes > 1) std::filesystem::create_directories(options.logs);
  const StopSignals signals;
  std::vector<std::string> arguments = options.arguments;
  for (int64_t restart = 1;; ++restart) {
    Ranks ranks(options, arguments);
    ranks.run();
    if (!ranks.crashed() || StopSignals::received() != 0 || restart > options.restarts) {
      if (const auto error = ranks.error()) throw *error;
      return;
    }
    log_warning(ranks.text() + "; starting all again (" + std::to_string(restart) + " of " +
                std::to_string(options.restarts) + ")");
    if (std::find(arguments.begin(), arguments.end(), "--resume") == arguments.end())
      arguments.push_back("--resume");
  }
}

std::vector<std::string> without_options(const std::vector<std::string>& words,
                                         const std::vector<std::string>& names) {
  std::vector<std::string> left;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string name = words[i].substr(0, words[i].find('='));
    if (std::find(names.begin(), names.end(), name) == names.end())
      left.push_back(words[i]);
    else if (name == words[i])
      ++i;  // its value
  }
  return left;
}

std::vector<std::string> own_arguments() {
  const std::string text = read_file("/proc/self/cmdline");  // each word ends with a zero
  std::vector<std::string> words;
  for (size_t begin = 0, end; (end = text.find('\0', begin)) != std::string::npos; begin = end + 1)
    words.push_back(text.substr(begin, end - begin));
  return {words.begin() + (words.empty() ? 0 : 1), words.end()};
}

}  // namespace mom::dist
