#include "mom/base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mom/base/error.h"
#include "mom/base/stopwatch.h"

extern char** environ;  // NOLINT: declared as POSIX does

namespace mom {
namespace {

constexpr int kNotStarted = 127;  // as in a shell

std::vector<std::string> environment(const std::vector<std::string>& changed) {
  std::vector<std::string> variables = changed;
  for (char** each = environ; *each; ++each) {
    const std::string_view own = *each, name = own.substr(0, own.find('=') + 1);
    if (std::none_of(changed.begin(), changed.end(),
                     [&](const auto& other) { return other.starts_with(name); }))
      variables.emplace_back(own);
  }
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Only what may be called between fork and exec.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* variables, const char* log,
                         const char* out, int inherited, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kNotStarted);  // it died before the call above
  const int empty = ::open("/dev/null", O_RDONLY);
  const int err = *log ? ::open(log, O_WRONLY | O_CREAT | O_APPEND, 0666) : 2;
  const int std_out = *out ? ::open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666) : *log ? err : 1;
  if (empty < 0 || err < 0 || std_out < 0) ::_exit(kNotStarted);
  ::dup2(empty, 0);
  ::dup2(std_out, 1);
  ::dup2(err, 2);
  if (inherited >= 0) ::fcntl(inherited, F_SETFD, 0);
  for (const int signal : {SIGINT, SIGTERM}) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(program, arguments, variables);
  ::_exit(kNotStarted);
}

}  // namespace

Child::Child(const Path& program, const std::vector<std::string>& arguments, const Options& options)
    : start_(std::chrono::steady_clock::now()) {
  std::vector<std::string> words = arguments, variables = environment(options.variables);
  words.insert(words.begin(), program.filename().string());
  const std::vector<char*> argv = pointers(words), env = pointers(variables);
  const pid_t parent = ::getpid();
  // A signal between fork and exec must neither run our handler in the child nor be lost: it is blocked until then.
  sigset_t stopping, before;
  ::sigemptyset(&stopping);
  ::sigaddset(&stopping, SIGINT);
  ::sigaddset(&stopping, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &stopping, &before);
  pid_ = ::fork();
  if (pid_ == 0)
    become(program.c_str(), argv.data(), env.data(), options.log.c_str(), options.out.c_str(),
           options.inherited, parent);
  const int error = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid_ < 0) throw ResourceError("cannot start a process: " + std::string(std::strerror(error)));
}

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<Ended> Child::poll() {
  int status = 0;
  rusage usage = {};
  if (pid_ <= 0 || ::wait4(pid_, &status, WNOHANG, &usage) != pid_) return std::nullopt;
  pid_ = -1;
  Ended ended;
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  ended.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  ended.seconds = seconds_since(start_);
  ended.peak_rss_bytes = int64_t{usage.ru_maxrss} * 1024;
  return ended;
}

void Child::send(int signal) {
  if (pid_ > 0) ::kill(pid_, signal);
}

void Child::ask_to_stop() { send(SIGTERM); }

std::string describe_end(const Ended& ended) {
  if (ended.signal == 0) return "exit code " + std::to_string(ended.code);
  return "signal " + std::to_string(ended.signal) + " (" + ::strsignal(ended.signal) + ")";
}

}  // namespace mom
