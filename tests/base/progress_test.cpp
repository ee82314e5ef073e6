#include "mom/base/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "mom/base/log.h"

namespace mom {
namespace {

TEST(Progress, OneLineAtTheEndWhenStderrIsNoTerminal) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress("encode", "documents", 10);
    for (uint64_t i = 0; i <= 10; ++i) progress.update(i, "loss 1.5");
    progress.finish("done");
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("mom: encode 10/10 documents, "), 0u) << text;
  EXPECT_NE(text.find(", done\n"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_EQ(text.find('\r'), std::string::npos);
}

TEST(Progress, UnitsOfAnEarlierRunAreNotInTheRate) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress("train", "steps", 2000, 1000);
    progress.update(1000);
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("1000/2000 steps, took"), std::string::npos) << text;  // nothing done yet: no rate
}

TEST(Progress, QuietIsSilent) {
  ::testing::internal::CaptureStderr();
  set_quiet(true);
  { Progress("encode", "documents", 10).update(5); }
  set_quiet(false);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

// What `draw` writes to stderr where that is a (pseudo-)terminal.
std::string drawn_on_terminal(const std::function<void()>& draw) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_GE(master, 0);
  EXPECT_EQ(::grantpt(master), 0);
  EXPECT_EQ(::unlockpt(master), 0);
  const int terminal = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
  EXPECT_GE(terminal, 0);
  const int saved = ::dup(2);
  ::dup2(terminal, 2);
  draw();
  ::dup2(saved, 2);
  char text[1024] = "";
  EXPECT_GT(::read(master, text, sizeof text - 1), 0);
  ::close(terminal);
  ::close(master);
  ::close(saved);
  return text;
}

void update_after_a_moment(Progress& progress, uint64_t done) {
  std::this_thread::sleep_for(std::chrono::milliseconds(110));
  progress.update(done);
}

// The bar is drawn over itself.
TEST(Progress, BarOnATerminal) {
  const std::string text = drawn_on_terminal([] {
    Progress progress("fit", "steps", 100);
    progress.set_left(5);
    update_after_a_moment(progress, 50);
  });
  EXPECT_NE(text.find("\r\x1b[Kfit [############............] 50/100 steps"), std::string::npos) << text;
  EXPECT_NE(text.find(", 5.0 s left"), std::string::npos) << text;
}

TEST(Progress, TheTimeLeftFollowsFromTheRate) {
  const std::string text = drawn_on_terminal([] {
    Progress progress("fit", "steps", 1000000000);
    update_after_a_moment(progress, 1);
  });
  EXPECT_NE(text.find(" left"), std::string::npos) << text;
  const std::string done = drawn_on_terminal([] {
    Progress progress("fit", "steps", 10);
    update_after_a_moment(progress, 10);
  });
  EXPECT_EQ(done.find(" left"), std::string::npos) << done;
}

TEST(Progress, WithoutATotalThereIsNoBarAndNoTimeLeft) {
  const std::string text = drawn_on_terminal([] {
    Progress progress("read", "files", 0);
    update_after_a_moment(progress, 7);
  });
  EXPECT_NE(text.find("\r\x1b[Kread 7 files, "), std::string::npos) << text;
  EXPECT_EQ(text.find('['), text.find("\x1b[K") + 1) << text;
  EXPECT_EQ(text.find(" left"), std::string::npos) << text;
}

TEST(Format, Durations) {
  EXPECT_EQ(format_duration(0), "0.0 s");
  EXPECT_EQ(format_duration(8.31), "8.3 s");
  EXPECT_EQ(format_duration(59.99), "1 min 00 s");
  EXPECT_EQ(format_duration(125), "2 min 05 s");
  EXPECT_EQ(format_duration(3599.4), "59 min 59 s");
  EXPECT_EQ(format_duration(3599.6), "1 h 00 min");
  EXPECT_EQ(format_duration(4800), "1 h 20 min");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_duration(1e300), "?");
}

TEST(Format, Counts) {
  EXPECT_EQ(format_count(950), "950");
  EXPECT_EQ(format_count(0.25), "0.25");
  EXPECT_EQ(format_count(999.7), "1.0 k");
  EXPECT_EQ(format_count(12400), "12.4 k");
  EXPECT_EQ(format_count(999990), "1.0 M");
  EXPECT_EQ(format_count(3.1e6), "3.1 M");
  EXPECT_EQ(format_count(4e9), "4.0 G");
  EXPECT_EQ(format_count(5), "5");
  EXPECT_EQ(format_count(2e12), "2.0 T");
}

TEST(Format, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(13002342), "12.4 MiB");
  EXPECT_EQ(format_bytes(1e14), "90.9 TiB");
}

}  // namespace
}  // namespace mom
