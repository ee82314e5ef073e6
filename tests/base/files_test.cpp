#include "mom/base/files.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/lines.h"
#include "mom/base/utf8.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown.h"

namespace mom {
namespace {

using test::message_of;
using test::TempFolder;
namespace fs = std::filesystem;

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// A process id that surely belongs to nobody: a child's that has ended and been waited for.
pid_t dead_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

// Runs `work` in a process that dies without unwinding, as after kill -9.
template <class Work>
void in_process_that_dies(Work&& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Files, ReadFile) {
  TempFolder folder;
  const std::string content = std::string("a\0b", 3) + std::string(3000000, 'x');
  test::write_file(folder / "a", content);
  test::write_file(folder / "empty", "");
  EXPECT_EQ(read_file(folder / "a"), content);
  EXPECT_EQ(read_file(folder / "empty"), "");
  EXPECT_EQ(read_file(folder / "a", content.size()).size(), content.size());
  EXPECT_THROW(read_file(folder / "a", content.size() - 1), InputError);
  EXPECT_THROW(read_file(folder / "absent"), InputError);
  EXPECT_THROW(read_file(folder.path()), InputError);
  EXPECT_THROW(read_file("/dev/zero", 1000), InputError);  // states no size, never ends
  EXPECT_FALSE(read_file("/proc/self/status").empty());    // states no size, ends
}

TEST(Files, PublishFileReplacesWholeAndLeavesNothingAside) {
  TempFolder folder;
  publish_file(folder / "a", "one");
  publish_file(folder / "a", "two");
  EXPECT_EQ(read_file(folder / "a"), "two");
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"a"}));
  EXPECT_THROW(publish_file(folder / "no" / "such" / "b", "x"), InputError);
}

TEST(Files, PublishFileFollowsLinks) {
  TempFolder folder;
  fs::create_directory(folder / "real");
  test::write_file(folder / "real" / "a", "one");
  fs::create_symlink(folder / "real" / "a", folder / "link");
  publish_file(folder / "link", "two");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "real" / "a"), "two");
}

TEST(Files, FailedWriteKeepsTheOldFile) {
  TempFolder folder;
  publish_file(folder / "a", "good");
  EXPECT_THROW(publish_with(folder / "a",
                            [](const Path& aside) {
                              test::write_file(aside, "half");
                              throw std::runtime_error("stop");
                            }),
               std::runtime_error);
  EXPECT_EQ(read_file(folder / "a"), "good");
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"a"}));
}

TEST(Files, FullDeviceIsAResourceError) {
  FileWriter writer("/dev/full");
  writer.write("x");
  EXPECT_THROW(writer.close(), ResourceError);
  FileWriter large("/dev/full");
  const std::string megabytes(3 << 20, 'x');
  const std::string message = message_of<ResourceError>([&] { large.write(megabytes); });
  EXPECT_NE(message.find("/dev/full"), std::string::npos) << message;
  EXPECT_NE(message.find("No space left"), std::string::npos) << message;
}

TEST(Files, FullDiskKeepsWhatWasPublished) {
  TempFolder folder;
  if (::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "needs root to mount a tmpfs";
  struct Unmount {
    const Path& path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
  } unmount{folder.path()};
  publish_file(folder / "a", "good");
  EXPECT_THROW(publish_file(folder / "a", std::string(200000, 'x')), ResourceError);
  EXPECT_EQ(read_file(folder / "a"), "good");
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"a"}));
  EXPECT_THROW(
      {
        FolderPublisher publisher(folder / "b", false);
        FileWriter writer(publisher.path() / "large");
        writer.write(std::string(200000, 'x'));
        writer.close();
        publisher.commit();
      },
      ResourceError);
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"a"}));
  LineAppender log(folder / "log");
  log.append("first");
  EXPECT_THROW(log.append(std::string(200000, 'y')), ResourceError);
  EXPECT_EQ(read_file(folder / "log"), "first\n");  // the torn part was taken back
}

TEST(Files, FileWriterKeepsOrderAcrossItsBuffer) {
  TempFolder folder;
  std::string expected;
  FileWriter writer(folder / "a");
  for (const size_t size : {1, 1000000, 100000, 5000000, 3, 0, 1048576}) {
    const std::string part(size, static_cast<char>('a' + expected.size() % 26));
    writer.write(part);
    expected += part;
    EXPECT_EQ(writer.position(), expected.size());
  }
  writer.close();
  EXPECT_EQ(read_file(folder / "a"), expected);
  EXPECT_THROW(writer.write("x"), Error);
}

TEST(FolderPublisher, AppearsOnCommitOnly) {
  TempFolder folder;
  {
    FolderPublisher publisher(folder / "new" / "target", false);
    fs::create_directory(publisher.path() / "sub");
    test::write_file(publisher.path() / "sub" / "a", "x");
    EXPECT_FALSE(fs::exists(folder / "new" / "target"));
    publisher.commit();
  }
  EXPECT_EQ(read_file(folder / "new" / "target" / "sub" / "a"), "x");
  EXPECT_EQ(names_in(folder / "new"), (std::vector<std::string>{"target"}));
  { FolderPublisher dropped(folder / "other", false); }
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"new"}));
}

TEST(FolderPublisher, ReplacesOnlyWhenTold) {
  TempFolder folder;
  fs::create_directory(folder / "target");
  { FolderPublisher(folder / "target", false).commit(); }  // an empty folder is as good as none
  test::write_file(folder / "target" / "old", "x");
  EXPECT_NE(
      message_of<UserError>([&] { FolderPublisher publisher(folder / "target", false); }).find("exists"),
      std::string::npos);
  FolderPublisher publisher(folder / "target" / "", true);  // with a trailing slash
  test::write_file(publisher.path() / "new", "y");
  EXPECT_EQ(names_in(folder / "target"), (std::vector<std::string>{"old"}));
  publisher.commit();
  EXPECT_EQ(names_in(folder / "target"), (std::vector<std::string>{"new"}));
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"target"}));
}

TEST(FolderPublisher, TargetThatAppearsMeanwhileIsNotReplaced) {
  TempFolder folder;
  FolderPublisher publisher(folder / "target", false);
  fs::create_directory(folder / "target");
  test::write_file(folder / "target" / "theirs", "x");
  EXPECT_THROW(publisher.commit(), UserError);
  EXPECT_EQ(names_in(folder / "target"), (std::vector<std::string>{"theirs"}));
}

TEST(FolderPublisher, KilledProcessLeavesTheOldFolderAndTheNextCleansUp) {
  TempFolder folder;
  fs::create_directory(folder / "target");
  test::write_file(folder / "target" / "old", "x");
  in_process_that_dies([&] {
    auto* publisher = new FolderPublisher(folder / "target", true);  // never destroyed: the process dies
    test::write_file(publisher->path() / "half", "y");
  });
  EXPECT_EQ(names_in(folder.path()).size(), 2u);  // the leftover is there ...
  EXPECT_EQ(names_in(folder / "target"), (std::vector<std::string>{"old"}));
  FolderPublisher next(folder / "target", true);
  EXPECT_EQ(names_in(folder.path()).size(), 2u);  // ... and gone: what is aside now is the next one's
  EXPECT_TRUE(fs::is_empty(next.path()));
}

TEST(FolderPublisher, FoldersOfLivingProcessesAndOfOtherHostsStay) {
  TempFolder folder;
  const std::string parent = ".target.aside-" + std::to_string(::getppid());
  const std::string elsewhere = ".target.aside-" + std::to_string(dead_process()) + "-0000000000000000";
  const std::string dead = ".target.aside-" + std::to_string(dead_process());
  for (const std::string& name : {parent, elsewhere, dead}) fs::create_directory(folder / name);
  FolderPublisher mine(folder / "target", false), also_mine(folder / "target", false);
  EXPECT_TRUE(fs::exists(folder / parent));
  EXPECT_TRUE(fs::exists(folder / elsewhere));
  EXPECT_TRUE(fs::exists(mine.path()));
  EXPECT_FALSE(fs::exists(folder / dead));
}

TEST(FolderPublisher, LeftoversOfAProcessNobodyHasWaitedForGo) {
  TempFolder folder;
  const pid_t ended = ::fork();
  if (ended == 0) ::_exit(0);
  siginfo_t end = {};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(ended), &end, WEXITED | WNOWAIT), 0);  // it stays a zombie
  const Path left = folder / (".target.aside-" + std::to_string(ended));
  fs::create_directory(left);
  { FolderPublisher publisher(folder / "target", false); }
  EXPECT_FALSE(fs::exists(left));
  ::waitpid(ended, nullptr, 0);
}

TEST(FolderPublisher, RecoversAFolderMovedAwayByADeadProcess) {
  TempFolder folder;
  const Path old = folder / (".target.old-" + std::to_string(dead_process()));
  fs::create_directory(old);
  test::write_file(old / "a", "x");
  recover_folder(folder / "target");
  EXPECT_EQ(read_file(folder / "target" / "a"), "x");
  // With the target in place an old folder is a leftover, not a treasure.
  fs::create_directory(old);
  recover_folder(folder / "target");
  EXPECT_TRUE(fs::exists(old));
  { FolderPublisher publisher(folder / "target", true); }
  EXPECT_FALSE(fs::exists(old));
  EXPECT_EQ(read_file(folder / "target" / "a"), "x");
  recover_folder(folder / "never-there");  // nothing to do
}

TEST(RemoveFolder, GoesAsAWholeAndTheNextClearsWhatADeadProcessLeft) {
  TempFolder folder;
  for (const char* name : {"a", "b"}) fs::create_directories(folder / name / "inner");
  remove_folder(folder / "a");
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"b"}));
  const std::string dead = std::to_string(dead_process()), alive = std::to_string(::getppid());
  const std::string unknown = ".gone-x", mine = ".a.gone-" + alive;
  const std::string only_copy = ".c.old-" + dead;  // perhaps
  for (const std::string& name : {".a.gone-" + dead, ".step-1.aside-" + dead, only_copy, mine, unknown})
    fs::create_directories(folder / name / "inner");
  remove_leftovers_in(folder.path());
  std::vector<std::string> kept{mine, only_copy, unknown, "b"};
  std::sort(kept.begin(), kept.end());
  EXPECT_EQ(names_in(folder.path()), kept);
  remove_leftovers_in(folder / "never-there");  // nothing to do
}

TEST(MakeFolders, SaysWhetherItMadeAny) {
  TempFolder folder;
  EXPECT_TRUE(make_folders(folder / "a" / "b"));
  EXPECT_FALSE(make_folders(folder / "a" / "b"));
  EXPECT_TRUE(make_folders(folder / "a" / "c" / ""));
  EXPECT_TRUE(fs::is_directory(folder / "a" / "c"));
  test::write_file(folder / "file", "x");
  EXPECT_THROW(make_folders(folder / "file" / "d"), InputError);
}

TEST(FolderPublisher, LeavesAFolderThatALivingProcessIsSwapping) {
  TempFolder folder;
  const Path old = folder / (".target.old-" + std::to_string(::getppid()));
  fs::create_directory(old);
  recover_folder(folder / "target");
  EXPECT_TRUE(fs::exists(old));
  EXPECT_FALSE(fs::exists(folder / "target"));
}

TEST(MappedFile, Bytes) {
  TempFolder folder;
  test::write_file(folder / "a", "hello");
  test::write_file(folder / "empty", "");
  const MappedFile file(folder / "a");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()), "hello");
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
  EXPECT_THROW(MappedFile(folder / "absent"), InputError);
  EXPECT_THROW(MappedFile(folder.path()), InputError);
}

TEST(LineAppender, CutsATornLastLine) {
  TempFolder folder;
  const std::string long_line(200000, 'z');
  const std::pair<std::string, std::string> cases[] = {{"", ""},
                                                       {"one\n", "one\n"},
                                                       {"one\ntw", "one\n"},
                                                       {"torn", ""},
                                                       {"one\n" + long_line, "one\n"},
                                                       {long_line, ""},
                                                       {long_line + "\n", long_line + "\n"}};
  for (const auto& [before, kept] : cases) {
    test::write_file(folder / "log", before);
    LineAppender log(folder / "log");
    log.append("new");
    log.append("");
    log.sync();
    EXPECT_EQ(read_file(folder / "log"), kept + "new\n\n");
  }
  fs::remove(folder / "log");
  LineAppender(folder / "log").append("first");
  EXPECT_EQ(read_file(folder / "log"), "first\n");
}

TEST(ForEachLine, LinesAcrossBlocks) {
  TempFolder folder;
  std::vector<std::string> lines = {
      "a", "", std::string(3 << 20, 'b'), "c", std::string((1 << 20) - 5, 'd'), "last"};
  std::string text;
  for (const std::string& line : lines) text += line + (line == "c" ? "\r\n" : "\n");
  text.pop_back();  // the last line has no newline
  test::write_file(folder / "a", text);
  std::vector<std::string> seen;
  for_each_line(folder / "a", [&](std::string_view line, uint64_t number) {
    seen.emplace_back(line);
    EXPECT_EQ(number, seen.size());
  });
  EXPECT_EQ(seen, lines);
  test::write_file(folder / "empty", "");
  for_each_line(folder / "empty", [](std::string_view, uint64_t) { FAIL(); });
  EXPECT_THROW(for_each_line(folder / "absent", [](std::string_view, uint64_t) {}), InputError);
}

TEST(LineSplitter, BlocksMayEndAnywhereAndLongLinesAreNumbered) {
  const std::string text = "one\r\n\n" + std::string(20, 'l') + "\nfour\n" + std::string(11, 'm') + "\nsix";
  for (size_t block = 1; block <= text.size(); ++block) {
    std::vector<std::string> seen;
    LineSplitter lines(
        10,
        [&](std::string_view line, uint64_t number) {
          seen.push_back(std::to_string(number) + ":" + std::string(line));
        },
        [&](uint64_t number) { seen.push_back("long " + std::to_string(number)); });
    for (size_t at = 0; at < text.size(); at += block) lines.add(std::string_view(text).substr(at, block));
    lines.finish();
    EXPECT_EQ(seen, (std::vector<std::string>{"1:one", "2:", "long 3", "4:four", "long 5", "6:six"}))
        << block;
  }
}

TEST(Printable, KeepsUtf8AndEscapesTheRest) {
  EXPECT_EQ(printable("caf\xC3\xA9 \xE7\xBA\xA2.png"), "caf\xC3\xA9 \xE7\xBA\xA2.png");
  EXPECT_EQ(printable("caf\xE9"), "caf\\xe9");
  EXPECT_EQ(printable("a\nb\x7f\xff"), "a\\x0ab\\x7f\\xff");
  EXPECT_EQ(printable(printable("\xE9")), "\\xe9");
}

TEST(Hash, KnownVectors) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(fnv1a64(""), 0xcbf29ce484222325u);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8u);
  TempFolder folder;
  test::write_file(folder / "a", std::string(3000000, 'q'));
  EXPECT_EQ(sha256_hex_of_file(folder / "a"), sha256_hex(std::string(3000000, 'q')));
  EXPECT_THROW(sha256_hex_of_file(folder / "absent"), InputError);
  EXPECT_THROW(sha256_hex_of_file(folder.path()), InputError);
}

TEST(Files, ATreeIsCopiedOverWhatIsThere) {
  test::TempFolder folder;
  const Path from = folder / "from", to = folder / "to";
  std::filesystem::create_directories(from / "a" / "b");
  std::filesystem::create_directories(to);
  test::write_file(from / "a" / "b" / "deep", "one");
  test::write_file(from / "top", std::string("t\0p", 3));
  test::write_file(to / "top", "longer than the new one");
  test::write_file(to / "own", "stays");
  copy_tree(from, to);
  EXPECT_EQ(read_file(to / "a" / "b" / "deep"), "one");
  EXPECT_EQ(read_file(to / "top"), std::string("t\0p", 3));
  EXPECT_EQ(read_file(to / "own"), "stays");
  copy_tree(from / "top", folder / "file");
  EXPECT_EQ(read_file(folder / "file"), std::string("t\0p", 3));
  EXPECT_THROW(copy_tree(folder / "none", folder / "nothing"), InputError);
  EXPECT_THROW(copy_tree(from, folder / "file"), Error);
}

}  // namespace
}  // namespace mom
