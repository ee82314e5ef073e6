// What files, folders, locks, child processes and machine facts do where the system fails them: calls of the C library are
// replaced by ones that fail when a test says so.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <functional>
#include <utility>

#include "mom/base/error.h"
#include "mom/base/files.h"
#include "mom/base/lock.h"
#include "mom/base/machine.h"
#include "mom/base/process.h"
#include "tests/support/open_files.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown.h"

#ifndef __SANITIZE_THREAD__  // which itself replaces these calls, and needs them before a program begins

namespace {

struct Fault {
  int error = 0;      // 0: the call is made
  int times = 1;      // so often, then no more
  int after = 0;      // this many calls are made before
  bool half = false;  // writes: the first writes half of its bytes
  std::function<void()> before = {};
};

const char* failing_ = "";
Fault fault_;

// True where the call is to fail, with errno set.
bool fails(const char* call) {
  if (std::strcmp(call, failing_) != 0 || fault_.times == 0) return false;
  if (fault_.after > 0) return --fault_.after, false;
  --fault_.times;
  const Fault now = fault_;
  if (now.before) now.before();
  if (now.error != 0) errno = now.error;
  return now.error != 0 || now.half;
}

// The first of FAULT.times calls of `call` within `body` fail.
void with(const char* call, Fault fault, const std::function<void()>& body) {
  failing_ = call;
  fault_ = std::move(fault);
  body();
  EXPECT_EQ(fault_.times, 0) << call << " was not called so often";
  failing_ = "";
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  static const auto call = real<int(const char*, int, ...)>("open");
  return fails("open") ? -1 : call(path, flags, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  static const auto call = real<ssize_t(int, const void*, size_t)>("write");
  if (fails("write")) {
    if (!std::exchange(fault_.half, false)) return -1;
    size /= 2;
  }
  return call(fd, data, size);
}

int ftruncate(int fd, off_t size) noexcept {
  static const auto call = real<int(int, off_t)>("ftruncate");
  return fails("ftruncate") ? -1 : call(fd, size);
}

void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  static const auto call = real<void*(void*, size_t, int, int, int, off_t)>("mmap");
  return fails("mmap") ? MAP_FAILED : call(at, size, protection, flags, fd, offset);
}

long syscall(long number, ...) noexcept {  // NOLINT: as the C library declares it
  va_list rest;
  va_start(rest, number);
  long a[6];  // NOLINT
  for (long& each : a) each = va_arg(rest, long);
  va_end(rest);
  static const auto call = real<long(long, ...)>("syscall");
  return number == SYS_renameat2 && fails("renameat2") ? -1
                                                       : call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#define MOM_CALL(result, name, parameters, arguments, ...)          \
  result name parameters __VA_ARGS__ {                              \
    static const auto call = real<result parameters>(#name);        \
    return fails(#name) ? static_cast<result>(-1) : call arguments; \
  }
MOM_CALL(ssize_t, read, (int fd, void* data, size_t size), (fd, data, size))
MOM_CALL(ssize_t, pread, (int fd, void* data, size_t size, off_t at), (fd, data, size, at))
MOM_CALL(ssize_t, pwrite, (int fd, const void* data, size_t size, off_t at), (fd, data, size, at))
MOM_CALL(int, fsync, (int fd), (fd))
MOM_CALL(int, close, (int fd), (fd))
MOM_CALL(int, fstat, (int fd, struct stat* status), (fd, status), noexcept)
MOM_CALL(int, flock, (int fd, int operation), (fd, operation), noexcept)
MOM_CALL(int, rename, (const char* from, const char* to), (from, to), noexcept)
MOM_CALL(int, mkdir, (const char* path, mode_t mode), (path, mode), noexcept)
MOM_CALL(pid_t, fork, (), (), noexcept)
MOM_CALL(int, uname, (utsname * name), (name), noexcept)
MOM_CALL(int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t* set), (pid, size, set), noexcept)
#undef MOM_CALL
}

namespace mom {
namespace {

namespace fs = std::filesystem;
using test::message_of;
using test::num_open_files;
using test::TempFolder;

void expect_says(const std::string& message, const Path& path, const std::string& words) {
  EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  EXPECT_NE(message.find(words), std::string::npos) << message;
}

int64_t count_in(const Path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

TEST(FailingCalls, OfReadersNameTheFileAndTheCause) {
  const TempFolder folder;
  const Path file = folder / "a";
  test::write_file(file, "content");
  const auto open_before = num_open_files();
  for (const char* call : {"open", "fstat", "read"})
    with(call, {EIO}, [&] {
      expect_says(message_of<InputError>([&] { read_file(file); }), file,
                  "cannot be read: Input/output error");
    });
  with("mmap", {ENOMEM}, [&] {
    expect_says(message_of<InputError>([&] { const MappedFile mapped(file); }), file,
                "cannot be read: Cannot allocate memory");
  });
  with("read", {EINTR, 3}, [&] { EXPECT_EQ(read_file(file), "content"); });  // a signal is no error
  EXPECT_EQ(num_open_files(), open_before);
}

TEST(FailingCalls, OfAWriterNameTheFileAndTheCause) {
  const TempFolder folder;
  const Path file = folder / "a";
  const auto open_before = num_open_files();
  const auto write_it = [&] {
    FileWriter writer(file);
    writer.write("content");
    writer.close();
    writer.close();  // once more does nothing
  };
  for (const char* call : {"open", "write", "fsync", "close"}) {
    with(call, {EIO}, [&] {
      expect_says(message_of<ResourceError>(write_it), file, "cannot be written: Input/output error");
    });
    with(call, {EDQUOT},
         [&] { expect_says(message_of<ResourceError>(write_it), file, "free some space and run again"); });
  }
  with("write", {.half = true}, [&] { write_it(); });
  EXPECT_EQ(read_file(file), "content");
  with("fsync", {EINVAL}, [&] { write_it(); });  // a file system that has nothing to sync
  for (const char* call : {"open", "write", "fsync"}) with(call, {EINTR, 2}, [&] { write_it(); });
  EXPECT_EQ(read_file(file), "content");
  EXPECT_LE(num_open_files() - open_before,
            2);  // those of the closes that failed, which a system has closed
}

TEST(FailingCalls, OfALogTakeTornLinesBackOrSayThatTheyCannot) {
  const TempFolder folder;
  const Path file = folder / "log";
  LineAppender log(file);
  log.append("one");
  with("write", {.half = true}, [&] { log.append("two and more"); });  // the rest follows
  EXPECT_EQ(read_file(file), "one\ntwo and more\n");
  with("write", {EIO}, [&] {
    expect_says(message_of<ResourceError>([&] { log.append("three"); }), file, "Input/output error");
  });
  with("write", {.error = EFBIG, .times = 2, .half = true},
       [&] { expect_says(message_of<ResourceError>([&] { log.append("three"); }), file, "File too large"); });
  EXPECT_EQ(read_file(file), "one\ntwo and more\n");
  log.append("four");
  EXPECT_EQ(read_file(file), "one\ntwo and more\nfour\n");
}

TEST(FailingCalls, OfOpeningALog) {
  const TempFolder folder;
  const Path file = folder / "log";
  const auto open_it = [&] { const LineAppender log(file); };
  for (const char* call : {"open", "ftruncate"}) {
    test::write_file(file, "whole\ntorn");
    with(call, {EIO}, [&] {
      expect_says(message_of<ResourceError>(open_it), file, "cannot be written: Input/output error");
    });
  }
  for (const char* call : {"fstat", "pread"})
    with(call, {EIO},
         [&] { expect_says(message_of<InputError>(open_it), file, "cannot be read: Input/output error"); });
  EXPECT_EQ(read_file(file), "whole\ntorn");
  const LineAppender nowhere("/dev/null");  // not a file: it has no lines to look for
  const Path before = fs::current_path();
  fs::current_path(folder.path());
  LineAppender("relative").append("x");
  fs::current_path(before);
  EXPECT_EQ(read_file(folder / "relative"), "x\n");
}

TEST(FailingCalls, OfAFileThatIsPublishedKeepTheOldOne) {
  const TempFolder folder;
  const Path file = folder / "a";
  publish_file(file, "old");
  for (const char* call : {"open", "write", "fsync", "close", "rename"})
    for (const int error : {EIO, ENOSPC})
      with(call, {error}, [&] { EXPECT_THROW(publish_file(file, "new"), ResourceError); });
  EXPECT_EQ(read_file(file), "old");
  EXPECT_EQ(count_in(folder.path()), 1);
  with("rename", {EINTR, 2}, [&] { publish_file(file, "new"); });
  EXPECT_EQ(read_file(file), "new");
  with("fsync", {EIO, 1, 2}, [&] { EXPECT_THROW(publish_file(file, "newer"), ResourceError); });
  EXPECT_EQ(read_file(file), "newer");  // there, but said not to be safe from a power cut
  EXPECT_THROW(publish_file("/", "x"), UserError);
}

// A new folder "target" with a file "new" in it, over one with a file "old".
void replace_folder(const Path& target) {
  FolderPublisher publisher(target, true);
  test::write_file(publisher.path() / "new", "y");
  fs::create_symlink("nowhere", publisher.path() / "link");  // neither is synced
  ::mkfifo((publisher.path() / "fifo").c_str(), 0600);
  publisher.commit();
  publisher.commit();  // once more does nothing
}

TEST(FailingCalls, AFolderIsReplacedWhereNamesCannotBeExchanged) {
  const TempFolder folder;
  const Path target = folder / "target";
  fs::create_directory(target);
  test::write_file(target / "old", "x");
  for (const char* call : {"mkdir", "fsync"})
    with(call, {EIO}, [&] { EXPECT_THROW(replace_folder(target), ResourceError); });
  // The old folder is moved away, and moved back where the new one cannot take its place.
  with("renameat2", {EINVAL}, [&] {
    fault_.before = [] {
      failing_ = "rename";
      fault_ = {EIO, 1, 1};
    };
    expect_says(message_of<ResourceError>([&] { replace_folder(target); }), target, "Input/output error");
  });
  EXPECT_TRUE(fs::exists(target / "old"));
  with("renameat2", {EINVAL}, [&] { replace_folder(target); });
  EXPECT_TRUE(fs::exists(target / "new"));
  EXPECT_FALSE(fs::exists(target / "old"));
  EXPECT_EQ(count_in(folder.path()), 1);
}

TEST(FailingCalls, AFolderThatWasMovedAwayIsRecoveredInEveryWay) {
  const TempFolder folder;
  const Path target = folder / "target", old = folder / (".target.old-" + std::to_string(::getpid()));
  for (const int error : {EINVAL, ENOSYS}) {  // a file system that knows only plain renames
    fs::create_directory(old);
    with("renameat2", {error}, [&] { recover_folder(target); });
    EXPECT_TRUE(fs::is_directory(target));
    fs::remove(target);
  }
  fs::create_directory(old);
  with("renameat2", {EEXIST}, [&] { recover_folder(target); });  // another process was faster
  EXPECT_TRUE(fs::exists(old));
  with("renameat2", {EIO}, [&] {
    expect_says(message_of<ResourceError>([&] { recover_folder(target); }), target, "Input/output error");
  });
  EXPECT_TRUE(fs::exists(old));
}

TEST(FailingCalls, OnlyNamesThatWeGiveAreLeftovers) {
  const TempFolder folder;
  const std::string us = std::to_string(::getpid());
  const std::string others[] = {".target.aside-",
                                ".target.aside--5",
                                ".target.aside-x",
                                ".target.aside-" + us + "-12",
                                ".target.aside-" + us + "x0123456789abcdef",
                                ".target.aside-" + us + "-0123456789abcdeg"};
  for (const std::string& name : others) fs::create_directory(folder / name);
  { const FolderPublisher publisher(folder / "target", false); }
  for (const std::string& name : others) EXPECT_TRUE(fs::exists(folder / name)) << name;
}

TEST(FailingCalls, OfALock) {
  const TempFolder folder;
  const Path work = folder / "work", file = work / "lock";
  fs::create_directory(work);
  const auto take = [&] { const Lock lock = Lock::of_folder(work, {"use another"}); };
  const auto open_before = num_open_files();
  for (const char* call : {"open", "flock", "ftruncate", "pwrite"})
    with(call, {EIO}, [&] {
      expect_says(message_of<ResourceError>(take), file, "cannot be written: Input/output error");
    });
  EXPECT_EQ(num_open_files(), open_before);
  take();  // those that failed hold nothing
  for (const char* call : {"open", "ftruncate", "pwrite"}) with(call, {EINTR}, take);
  // Between our opening of the file and our lock its holder removed it.
  with("flock", {.before = [&] { fs::remove(file); }}, [&] {
    const Lock lock = Lock::of_folder(work, {"use another"});
    lock.check();
    EXPECT_TRUE(fs::exists(file));
  });
  // A holder that has not written its name yet.
  const int theirs = ::open(file.c_str(), O_RDWR | O_CREAT, 0666);
  ASSERT_EQ(::flock(theirs, LOCK_EX), 0);
  expect_says(message_of<UserError>(take), work, "another process");
  ::close(theirs);
}

TEST(FailingCalls, AFileSystemWithoutLocksGivesAWarning) {
  const TempFolder folder;
  for (const int error : {ENOLCK, ENOSYS, EOPNOTSUPP}) {
    ::testing::internal::CaptureStderr();
    with("flock", {error}, [&] { const Lock lock = Lock::of_folder(folder / "work", {"use another"}); });
    expect_says(::testing::internal::GetCapturedStderr(), folder / "work", "this file system has no locks");
  }
}

TEST(FailingCalls, AProcessThatCannotBeStarted) {
  with("fork", {EAGAIN}, [] {
    EXPECT_EQ(message_of<ResourceError>([] { const Child child("/bin/true", {}, {}); }),
              "cannot start a process: Resource temporarily unavailable");
  });
}

TEST(FailingCalls, MachineFactsThatCannotBeHad) {
  const MachineFacts all = read_machine(".");
  with("sched_getaffinity", {EINVAL}, [&] { EXPECT_EQ(read_machine(".").threads_allowed, all.cores); });
  with("uname", {EFAULT}, [] { EXPECT_EQ(read_machine(".").system, ""); });
  const MachineFacts nowhere = read_machine("/no/such/folder");
  EXPECT_EQ(nowhere.disk_free_bytes, 0u);
  EXPECT_FALSE(nowhere.folder_writable);
}

}  // namespace
}  // namespace mom

#endif
