#include "mom/quickstart/workers.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "mom/base/error.h"

extern char** environ;

namespace mom::quickstart {
namespace {

// Header of one result in a pipe, followed by num_bytes of result or of error message.
struct Header {
  int64_t index = 0;
  uint64_t num_bytes = 0;
  uint64_t failed = 0;
};

void write_all(int fd, const void* data, size_t num_bytes) {
  const char* at = static_cast<const char*>(data);
  while (num_bytes > 0) {
    const ssize_t written = ::write(fd, at, num_bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) ::_exit(1);  // nobody reads any more
    at += written;
    num_bytes -= static_cast<size_t>(written);
  }
}

void send(int fd, int64_t index, bool failed, const std::string& bytes) {
  const Header header{index, bytes.size(), failed ? 1u : 0u};
  write_all(fd, &header, sizeof header);
  write_all(fd, bytes.data(), bytes.size());
}

// What a child does: items first, first + step, ...
[[noreturn]] void work(int fd, int64_t first, int64_t step, int64_t count,
                       const std::function<std::string(int64_t)>& body) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // ends with the parent
  const int nowhere = ::open("/dev/null", O_RDWR);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  for (int64_t i = first; i < count; i += step) {
    try {
      send(fd, i, false, body(i));
    } catch (const std::exception& error) {
      send(fd, i, true, error.what());
    }
  }
  ::_exit(0);
}

[[noreturn]] void throw_system(const std::string& what) {
  throw ResourceError(what + ": " + std::strerror(errno));
}

struct Pipe {
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_system("cannot make a pipe");
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_end(int end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
  int ends[2] = {-1, -1};
};

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

// The results of one child, which is killed with this object.
class Child {
 public:
  Child(int64_t first, int64_t step, int64_t count, const std::function<std::string(int64_t)>& body) {
    pid_ = ::fork();
    if (pid_ < 0) throw_system("cannot start a process");
    if (pid_ == 0) work(pipe_.ends[1], first, step, count, body);
    pipe_.close_end(1);
  }
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait_for(pid_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  int fd() const { return pipe_.ends[0]; }

  // Reads what is available; false at the end. `what` names the work when the child failed.
  bool receive(const std::string& what) {
    char block[65536];
    const ssize_t got = ::read(fd(), block, sizeof block);
    if (got < 0 && errno != EINTR) throw_system(what);
    if (got > 0) bytes_.append(block, static_cast<size_t>(got));
    if (got != 0) return true;
    const int status = wait_for(std::exchange(pid_, 0));
    if (status != 0 || !bytes_.empty())
      throw Error(ExitCode::kInternal, what + ": a process ended with status " + std::to_string(status));
    return false;
  }

  // The next whole result.
  std::optional<std::pair<Header, std::string>> next() {
    Header header;
    if (bytes_.size() < sizeof header) return std::nullopt;
    std::memcpy(&header, bytes_.data(), sizeof header);
    if (bytes_.size() - sizeof header < header.num_bytes) return std::nullopt;
    std::string result = bytes_.substr(sizeof header, header.num_bytes);
    bytes_.erase(0, sizeof header + header.num_bytes);
    return std::pair{header, std::move(result)};
  }

 private:
  pid_t pid_ = 0;
  Pipe pipe_;
  std::string bytes_;
};

using Children = std::vector<std::unique_ptr<Child>>;

// Waits until at least one child has output; the positions of those.
std::vector<size_t> wait_for_news(const Children& children) {
  std::vector<pollfd> waits;
  for (const auto& child : children) waits.push_back({child->fd(), POLLIN, 0});
  if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) throw_system("cannot wait for processes");
  std::vector<size_t> ready;
  for (size_t i = 0; i < waits.size(); ++i)
    if (waits[i].revents != 0) ready.push_back(i);
  return ready;
}

}  // namespace

std::vector<std::string> run_in_processes(int64_t count, int64_t num_processes, const std::string& what,
                                          const std::function<std::string(int64_t)>& body,
                                          const std::function<void(int64_t)>& progress) {
  std::vector<std::string> results(static_cast<size_t>(count));
  num_processes = std::min(num_processes, count);
  Children children;
  for (int64_t i = 0; i < num_processes; ++i)
    children.push_back(std::make_unique<Child>(i, num_processes, count, body));
  for (int64_t num_done = 0; !children.empty();) {
    for (const size_t position : wait_for_news(children)) {
      Child& child = *children[position];
      const bool more = child.receive(what);
      while (auto result = child.next()) {
        if (result->first.failed != 0) throw InputError(result->second);
        results.at(static_cast<size_t>(result->first.index)) = std::move(result->second);
        progress(++num_done);
      }
      if (!more) children[position].reset();
    }
    std::erase(children, nullptr);
  }
  return results;
}

int64_t default_processes() { return std::clamp<int64_t>(std::thread::hardware_concurrency(), 1, 64); }

std::string run_program(const std::vector<std::string>& command, const std::string& where,
                        const std::string& package) {
  Pipe pipe;
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pipe.ends[1], STDOUT_FILENO);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw InputError(
        {where, "the program " + command[0], std::strerror(error), "install it: apt-get install " + package});
  pipe.close_end(1);
  std::string output;
  char block[65536];
  for (ssize_t got; (got = ::read(pipe.ends[0], block, sizeof block)) != 0;)
    if (got > 0)
      output.append(block, static_cast<size_t>(got));
    else if (errno != EINTR)
      break;
  const int status = wait_for(pid);
  if (status != 0)
    throw InputError({where, "a file that " + command[0] + " can read",
                      "one at which it ended with status " + std::to_string(status),
                      "reinstall the package of the file"});
  return output;
}

}  // namespace mom::quickstart
