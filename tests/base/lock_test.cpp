// The lock of a folder or an output, with processes that are ended in every way.
#include "mom/base/lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "mom/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown.h"

namespace mom {
namespace {

const Lock::Terms kTerms{"use another --out"};

// A process that holds the lock of `folder` until it is killed.
class Holder {
 public:
  explicit Holder(const Path& folder) {
    int ready[2];
    if (::pipe(ready) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      const Lock lock = Lock::of_folder(folder, kTerms);
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char byte;
    if (::read(ready[0], &byte, 1) != 1) throw std::runtime_error("read");
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Holder() { kill(); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

std::string refusal(const Path& folder) {
  return test::message_of<UserError>([&] { const Lock lock = Lock::of_folder(folder, kTerms); });
}

TEST(Lock, TheSecondProcessIsRefusedAndToldOfTheFirst) {
  test::TempFolder folder;
  const Holder first(folder.path());
  const std::string message = refusal(folder.path());
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  for (const std::string& part : {folder.path().string(), "process " + std::to_string(first.pid()),
                                  std::string(host), std::string("use another --out")})
    EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
}

TEST(Lock, AKilledProcessHoldsNobodyUp) {
  test::TempFolder folder;
  Holder first(folder.path());
  first.kill();
  ASSERT_TRUE(std::filesystem::exists(folder / "lock"));  // left behind
  EXPECT_EQ(refusal(folder.path()), "no error");
}

TEST(Lock, WaitsForAHolderThatIsAboutToEnd) {
  test::TempFolder folder;
  Holder first(folder.path());
  std::thread end([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    first.kill();
  });
  EXPECT_NO_THROW(Lock::of_folder(folder.path(), {"", std::chrono::seconds(20)}));
  end.join();
}

TEST(Lock, LeavesNothingBehindAndCanBeTakenAgain) {
  test::TempFolder folder;
  const Path out = folder / "new" / "out";
  for (int i = 0; i < 2; ++i) {
    const Lock lock = Lock::of_output(out, kTerms);
    EXPECT_TRUE(std::filesystem::exists(folder / "new" / ".out.lock"));
    EXPECT_THROW(Lock::of_output(folder / "new" / "." / "out" / "", kTerms), UserError);  // another spelling
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));  // nor the folder that was made for it
}

TEST(Lock, AFolderThatIsReplacedIsNoticed) {
  test::TempFolder folder;
  const Lock first = Lock::of_folder(folder / "run", kTerms);
  first.check();
  std::filesystem::remove_all(folder / "run");
  EXPECT_THROW(first.check(), UserError);
  const Lock second = Lock::of_folder(folder / "run", kTerms);
  second.check();
  EXPECT_THROW(first.check(), UserError);
}

// Many processes, each of which adds one to a number in a file: none is lost.
TEST(Lock, OneAtATimeAlways) {
  test::TempFolder folder;
  constexpr int kProcesses = 8, kTimes = 25;
  test::write_file(folder / "number", "0");
  for (int p = 0; p < kProcesses; ++p) {
    if (::fork() != 0) continue;
    try {
      for (int i = 0; i < kTimes; ++i) {
        const Lock lock = Lock::of_output(folder / "number", {"", std::chrono::minutes(2)});
        test::write_file(folder / "number", std::to_string(std::stoi(read_file(folder / "number")) + 1));
      }
    } catch (const std::exception&) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  for (int p = 0, status = 0; p < kProcesses; ++p) {
    ::wait(&status);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(read_file(folder / "number"), std::to_string(kProcesses * kTimes));
}

}  // namespace
}  // namespace mom
