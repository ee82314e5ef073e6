#include "mom/base/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "mom/base/error.h"
#include "mom/base/files_internal.h"
#include "mom/base/log.h"

namespace mom {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(50);

std::string this_process() {
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  return "process " + std::to_string(::getpid()) + " on " + host;
}

bool has_no_locks(int error) { return error == ENOSYS || error == EOPNOTSUPP || error == ENOLCK; }

}  // namespace

Lock Lock::of_output(const Path& target, const Terms& terms) {
  Path resolved = std::filesystem::weakly_canonical(std::filesystem::absolute(target));
  if (!resolved.has_filename()) resolved = resolved.parent_path();
  return {target, resolved.parent_path() / ("." + resolved.filename().string() + ".lock"), terms};
}

Lock::Lock(const Path& what, Path file, const Terms& terms)
    : what_(what), file_(std::move(file)), inherited_(terms.inherited) {
  made_folder_ = make_folders(file_.parent_path());
  const auto deadline = std::chrono::steady_clock::now() + terms.wait;
  while (!try_take()) {
    if (std::chrono::steady_clock::now() >= deadline)
      throw UserError(
          {what_.string(), "no other process at work in it", holder(), "wait for it, or " + terms.otherwise});
    std::this_thread::sleep_for(kPoll);
  }
}

bool Lock::try_take() {
  using files_internal::uninterrupted;
  const auto give_up = [&](int error) {
    ::close(std::exchange(fd_, -1));
    files_internal::fail_writing(file_, error);
  };
  fd_ = uninterrupted(
      [&] { return ::open(file_.c_str(), O_RDWR | O_CREAT | (inherited_ ? 0 : O_CLOEXEC), 0666); });
  if (fd_ < 0) files_internal::fail_writing(file_, errno);
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) {
    if (!is_ours()) {  // its holder has just removed it
      ::close(std::exchange(fd_, -1));
      return try_take();
    }
    const std::string text = this_process() + "\n";
    if (uninterrupted([&] { return ::ftruncate(fd_, 0); }) == 0 &&
        uninterrupted([&] { return ::pwrite(fd_, text.data(), text.size(), 0); }) > 0)
      return true;
    give_up(errno);
  }
  if (has_no_locks(errno)) {
    log_warning(file_.string() + ": " + std::strerror(errno) +
                ": this file system has no locks, and another process in " + what_.string() +
                " would not be noticed");
    return true;
  }
  if (errno != EWOULDBLOCK && errno != EINTR) give_up(errno);
  ::close(std::exchange(fd_, -1));
  return false;
}

bool Lock::is_ours() const {
  struct stat ours, there;
  return ::fstat(fd_, &ours) == 0 && ::stat(file_.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
         ours.st_dev == there.st_dev;
}

std::string Lock::holder() const {
  std::string text;
  try {
    text = read_file(file_, 1024);
  } catch (const InputError&) {  // removed at this moment
  }
  const size_t end = text.find('\n');
  return end == std::string::npos || end == 0 ? "another process" : text.substr(0, end);
}

void Lock::check() const {
  if (!is_ours())
    throw UserError({what_.string(), "the folder that this process (" + this_process() + ") began to work in",
                     "it removed or replaced", "nothing more is written to it"});
}

Lock::~Lock() {
  if (fd_ < 0) return;
  if (is_ours()) {
    ::unlink(file_.c_str());
    if (made_folder_) ::rmdir(file_.parent_path().c_str());  // which does nothing where something is in it
  }
  ::close(fd_);
}

}  // namespace mom
