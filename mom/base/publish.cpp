// publish_file and FolderPublisher: write aside, fsync, rename, fsync of the folder.
//
// Hidden siblings of a target NAME, named after the process that made them, so that leftovers can be recognised:
//   .NAME.aside-PID-HOSTRAND   being written; HOSTRAND = 8 hex digits of the host's name, 8 random ones
//   .NAME.old-PID-HOSTRAND     the target moved away while its successor is renamed into place
//   .NAME.gone-PID-HOSTRAND    being removed
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#include "mom/base/error.h"
#include "mom/base/files.h"
#include "mom/base/files_internal.h"
#include "mom/base/hash.h"

namespace mom {
namespace {

namespace fs = std::filesystem;
using namespace files_internal;

// Hidden siblings of this very process; a reused process id must not protect others.
std::set<std::string> in_use_;
std::mutex in_use_mutex_;

uint32_t host_hash() {
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  return static_cast<uint32_t>(fnv1a64(host));
}

// Absolute, links resolved, no trailing slash: the rename must happen where the folder really is.
Path resolve(const Path& target) {
  Path resolved = fs::weakly_canonical(fs::absolute(target));
  if (!resolved.has_filename()) resolved = resolved.parent_path();
  if (!resolved.has_filename())
    throw UserError({target.string(), "a name to publish under", "a root folder", ""});
  return resolved;
}

Path hidden_sibling(const Path& target, const char* kind) {
  std::random_device random;
  char suffix[64];
  std::snprintf(suffix, sizeof suffix, ".%s-%ld-%08x%08x", kind, static_cast<long>(::getpid()), host_hash(),
                static_cast<unsigned>(random()));
  return target.parent_path() / ("." + target.filename().string() + suffix);
}

class InUse {  // marks a hidden sibling as this process's own
 public:
  explicit InUse(const Path& path) : name_(path.string()) {
    std::lock_guard lock(in_use_mutex_);
    in_use_.insert(name_);
  }
  ~InUse() {
    std::lock_guard lock(in_use_mutex_);
    in_use_.erase(name_);
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

 private:
  std::string name_;
};

// Also one whose parent has not asked for its end yet (a zombie), which in some containers nobody ever does.
bool has_ended(pid_t process) {
  if (::kill(process, 0) != 0) return errno == ESRCH;
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string stat;
  std::getline(file, stat);
  const size_t name_end = stat.rfind(") ");
  return name_end != std::string::npos && (stat[name_end + 2] == 'Z' || stat[name_end + 2] == 'X');
}

// True when `path` is a hidden sibling whose name begins with `prefix` (.NAME.KIND-) and whose maker no longer runs on this host.
bool left_over(const Path& path, const std::string& prefix) {
  const std::string name = path.filename().string();
  if (!name.starts_with(prefix)) return false;
  const char* end = name.data() + name.size();
  long pid = 0;
  const auto number = std::from_chars(name.data() + prefix.size(), end, pid);
  if (number.ec != std::errc() || pid <= 0) return false;
  uint64_t tag = 0;  // absent in names made otherwise: then the process id alone decides
  if (number.ptr != end) {
    const auto hex = std::from_chars(number.ptr + 1, end, tag, 16);
    if (*number.ptr != '-' || hex.ptr != end || end - number.ptr != 17) return false;
    if (static_cast<uint32_t>(tag >> 32) != host_hash()) return false;
  }
  if (pid == ::getpid()) {
    std::lock_guard lock(in_use_mutex_);
    return !in_use_.count(path.string());
  }
  return has_ended(static_cast<pid_t>(pid));
}

std::vector<Path> leftovers(const Path& target, const char* kind) {
  const std::string prefix = "." + target.filename().string() + "." + kind + "-";
  std::vector<Path> found;
  std::error_code ignored;  // no such folder: no leftovers
  for (const auto& entry : fs::directory_iterator(target.parent_path(), ignored))
    if (left_over(entry.path(), prefix)) found.push_back(entry.path());
  return found;
}

void remove_leftovers(const Path& target) {
  std::error_code ignored;  // a leftover that cannot be removed does no harm
  for (const Path& path : leftovers(target, "aside")) fs::remove_all(path, ignored);
  if (!fs::exists(fs::symlink_status(target))) return;
  for (const Path& path : leftovers(target, "old")) fs::remove_all(path, ignored);
}

int rename_with_flags(const Path& from, const Path& to, unsigned flags) {
  return static_cast<int>(uninterrupted(
      [&] { return ::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags); }));
}

void rename_checked(const Path& from, const Path& to) {
  if (uninterrupted([&] { return ::rename(from.c_str(), to.c_str()); }) != 0) fail_writing(to, errno);
}

bool occupied(const Path& target) {
  const auto status = fs::symlink_status(target);
  if (!fs::exists(status)) return false;
  return !fs::is_directory(status) || !fs::is_empty(target);
}

[[noreturn]] void refuse_existing(const Path& target) {
  throw UserError({target.string(), "a new or empty folder", "one that exists",
                   "choose another place, or say that it may be replaced"});
}

void sync_tree(const Path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_symlink()) continue;
    if (entry.is_directory())
      sync_tree(entry.path());
    else if (entry.is_regular_file())
      sync_path(entry.path());
  }
  sync_path(folder);
}

// Where two names cannot be exchanged at once: for a moment there is no target; recover_folder closes that gap.
void swap_in_two_steps(const Path& aside, const Path& target) {
  const Path old = hidden_sibling(target, "old");
  const InUse in_use(old);
  rename_checked(target, old);
  if (::rename(aside.c_str(), target.c_str()) != 0) {
    const int error = errno;
    rename_checked(old, target);
    fail_writing(target, error);
  }
  sync_path(target.parent_path());
  std::error_code ignored;
  fs::remove_all(old, ignored);
}

}  // namespace

void publish_with(const Path& path, const std::function<void(const Path& aside)>& write) {
  const Path target = resolve(path);
  remove_leftovers(target);
  const Path aside = hidden_sibling(target, "aside");
  const InUse in_use(aside);
  try {
    write(aside);
    sync_path(aside);
    rename_checked(aside, target);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(aside, ignored);
    throw;
  }
  sync_path(target.parent_path());
}

void publish_file(const Path& path, std::string_view content) {
  publish_with(path, [&](const Path& aside) {
    FileWriter writer(aside);
    writer.write(content);
    writer.close();
  });
}

bool make_folders(const Path& folder) {
  if (folder.empty() || fs::is_directory(folder)) return false;
  const bool made_above = make_folders(folder.parent_path());
  std::error_code error;
  const bool made = fs::create_directory(folder, error);
  if (error) fail_writing(folder, error == std::errc::file_exists ? ENOTDIR : error.value());
  if (made) sync_path(folder.has_parent_path() ? folder.parent_path() : Path("."));
  return made || made_above;
}

void remove_folder(const Path& folder) {
  const Path target = resolve(folder), gone = hidden_sibling(target, "gone");
  const InUse in_use(gone);
  rename_checked(target, gone);
  sync_path(target.parent_path());  // not a folder of which half is missing, after a power cut
  fs::remove_all(gone);
}

void remove_leftovers_in(const Path& folder) {
  std::vector<Path> found;
  std::error_code ignored;  // no such folder: no leftovers
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    for (const std::string kind : {".aside-", ".gone-"}) {
      const std::string name = entry.path().filename().string();
      const size_t at = name.rfind(kind);
      if (at != std::string::npos && name.starts_with('.') &&
          left_over(entry.path(), name.substr(0, at + kind.size())))
        found.push_back(entry.path());
    }
  for (const Path& path : found) fs::remove_all(path, ignored);
}

void recover_folder(const Path& target) {
  const Path resolved = resolve(target);
  if (fs::exists(fs::symlink_status(resolved))) return;
  for (const Path& old : leftovers(resolved, "old")) {
    if (rename_with_flags(old, resolved, RENAME_NOREPLACE) == 0) return sync_path(resolved.parent_path());
    if (errno == EEXIST) return;
    if (errno != EINVAL && errno != ENOSYS) fail_writing(resolved, errno);
    rename_checked(old, resolved);
    return sync_path(resolved.parent_path());
  }
}

struct FolderPublisher::State {
  explicit State(const Path& aside) : in_use(aside) {}
  InUse in_use;
};

FolderPublisher::FolderPublisher(Path target, bool replace) : target_(resolve(target)), replace_(replace) {
  make_folders(target_.parent_path());
  recover_folder(target_);
  remove_leftovers(target_);
  if (!replace_ && occupied(target_)) refuse_existing(target_);
  aside_ = hidden_sibling(target_, "aside");
  state_ = std::make_unique<State>(aside_);
  std::error_code error;
  fs::create_directory(aside_, error);
  if (error) fail_writing(aside_, error.value());
}

FolderPublisher::~FolderPublisher() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove_all(aside_, ignored);
}

void FolderPublisher::commit() {
  if (committed_) return;
  sync_tree(aside_);
  if (!occupied(target_)) {
    rename_checked(aside_, target_);  // also over an empty folder
  } else if (!replace_) {
    refuse_existing(target_);
  } else if (rename_with_flags(aside_, target_, RENAME_EXCHANGE) == 0) {
    sync_path(target_.parent_path());
    std::error_code ignored;
    fs::remove_all(aside_, ignored);  // holds what was there before
  } else {
    swap_in_two_steps(aside_, target_);
  }
  committed_ = true;
  sync_path(target_.parent_path());
}

}  // namespace mom
