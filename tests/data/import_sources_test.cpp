// What the arguments of an import name: patterns, which files are one source, and what sources and keys are called.
#include "mom/data/import_sources.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "mom/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown.h"

namespace mom::data {
namespace {

class ImportSourcesTest : public testing::Test {
 protected:
  void make(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      std::filesystem::create_directories((folder_ / name).parent_path());
      if (name.ends_with('/'))
        std::filesystem::create_directories(folder_ / name);
      else
        test::write_file(folder_ / name, "");
    }
  }
  // "SOURCE: file file ..." of each source, files relative to the folder.
  std::vector<std::string> plan(const std::vector<std::string>& arguments, const std::string& name = "") {
    std::vector<Path> paths;
    for (const std::string& argument : arguments) paths.push_back(folder_ / argument);
    std::vector<std::string> lines;
    for (const ImportSource& source : plan_sources(paths, name)) {
      lines.push_back(source.name + ":");
      for (const auto& item : source.items)
        lines.back() += " " + item.path.string().substr(folder_.path().string().size() + 1);
    }
    return lines;
  }
  void expect_error(const std::string& argument, const std::string& expected) {
    test::expect_error<InputError>([&] { plan({argument}); }, expected);
  }
  test::TempFolder folder_;
};

using Names = std::vector<std::string>;

TEST_F(ImportSourcesTest, NumbersInPatternsHaveTheWidthOfTheFirst) {
  make({"s-08.tar", "s-09.tar", "s-10.tar", "s-8.tar", "s-9.tar", "s-007.tar"});
  EXPECT_EQ(plan({"s-{08..10}.tar"}), (Names{"s: s-08.tar s-09.tar s-10.tar"}));
  EXPECT_EQ(plan({"s-{8..10}.tar"}), (Names{"s: s-8.tar s-9.tar s-10.tar"}));
  EXPECT_EQ(plan({"s-{007..007}.tar"}), (Names{"s-007: s-007.tar"}));
}

TEST_F(ImportSourcesTest, NumbersMayBeAsLargeAs64BitsHold) {
  const std::string last = "18446744073709551615", before = "18446744073709551614";
  make({"s-" + before + ".txt", "s-" + last + ".txt"});
  EXPECT_EQ(plan({"s-{" + before + ".." + last + "}.txt"}),
            (Names{"s: s-" + before + ".txt s-" + last + ".txt"}));
  const std::string beyond = "s-{99999999999999999999998..99999999999999999999999}.txt";
  expect_error(beyond, beyond + ": expected a file or folder, found nothing");
}

TEST_F(ImportSourcesTest, PatternsFollowEachOther) {
  make({"a-0.txt", "a-1.txt", "b-0.txt", "b-1.txt"});
  EXPECT_EQ(plan({"{a,b}-{0..1}.txt"})[0].substr(plan({"{a,b}-{0..1}.txt"})[0].find(' ')),
            " a-0.txt a-1.txt b-0.txt b-1.txt");
  EXPECT_EQ(plan({"a-{1,0}.txt"}), (Names{"a: a-1.txt a-0.txt"})) << "in the order of the pattern";
  expect_error("{a,c}-0.txt", "c-0.txt: expected a file or folder, found nothing");
}

TEST_F(ImportSourcesTest, WhatIsNoPatternIsAName) {
  for (const char* name : {"x{3..1}.txt", "x{a..b}.txt", "x{..2}.txt", "x{1..}.txt", "x{1..2z}.txt",
                           "x{0..1000000}.txt", "x{y}.txt", "x{}.txt", "x{0..1.txt", "x}0..1{.txt"})
    expect_error(name, std::string(name) + ": expected a file or folder, found nothing");
  make({"x{0..1}.txt", "x0.txt", "x1.txt"});
  EXPECT_EQ(plan({"x{0..1}.txt"}), (Names{"x-0: x{0..1}.txt"})) << "a file of that name is meant";
}

TEST_F(ImportSourcesTest, FilesWhoseNamesDifferInNumbersAreOneSource) {
  make({"shard-0-of-2.tar", "shard-1-of-2.tar", "0-train.txt", "1-train.txt", "cat.txt", "dog.txt", "in-1/",
        "in-2/"});
  EXPECT_EQ(plan({"shard-0-of-2.tar", "cat.txt", "shard-1-of-2.tar", "dog.txt"}),
            (Names{"shard: shard-0-of-2.tar shard-1-of-2.tar", "cat: cat.txt", "dog: dog.txt"}));
  EXPECT_EQ(plan({"in-1", "in-2"}), (Names{"in-1: in-1", "in-2: in-2"})) << "folders stay apart";
  EXPECT_EQ(plan({"cat.txt", "dog.txt", "in-1"}, "pets"), (Names{"pets: cat.txt dog.txt in-1"}));
}

TEST_F(ImportSourcesTest, FilesWithNothingInCommonHaveTheirFoldersName) {
  make({"pets/0-train.txt", "pets/1-train.txt", "pets/cat.txt", "pets/dog.txt"});
  EXPECT_EQ(plan({"pets/0-train.txt", "pets/1-train.txt"}),
            (Names{"pets: pets/0-train.txt pets/1-train.txt"}));
  EXPECT_EQ(plan({"pets/{cat,dog}.txt"}), (Names{"pets: pets/cat.txt pets/dog.txt"}));
}

TEST_F(ImportSourcesTest, NamesBecomePlain) {
  make({"my data (new).txt", "-_-.txt", "+++.txt", ".txt", "cats--.txt", "pets.v1.jsonl.gz",
        "caf\xC3\xA9.txt", "birds/"});
  const auto name_of = [&](const std::string& argument) {
    const std::string line = plan({argument})[0];
    return line.substr(0, line.find(':'));
  };
  EXPECT_EQ(name_of("my data (new).txt"), "my-data--new");
  EXPECT_EQ(name_of("-_-.txt"), "_");
  EXPECT_EQ(name_of("+++.txt"), "data") << "no letter is left";
  EXPECT_EQ(name_of(".txt"), "txt");
  EXPECT_EQ(name_of("cats--.txt"), "cats");
  EXPECT_EQ(name_of("pets.v1.jsonl.gz"), "pets");
  EXPECT_EQ(name_of("caf\xC3\xA9.txt"), "caf");
  EXPECT_EQ(name_of("birds/"), "birds");
}

TEST_F(ImportSourcesTest, KeysOfFilesOfOneNameHaveTheirFolders) {
  make({"x/a.txt", "y/a.txt", "x/a.jsonl", "x/t.tar", "y/t.tar"});
  const std::vector<ImportSource> sources =
      plan_sources({folder_ / "x/a.txt", folder_ / "y/a.txt", folder_ / "x/a.jsonl", folder_ / "x/t.tar",
                    folder_ / "y/t.tar"},
                   "all");
  ASSERT_EQ(sources.size(), 1u);
  Names stems, prefixes;
  for (const auto& item : sources[0].items) stems.push_back(item.stem), prefixes.push_back(item.prefix);
  const auto in = [&](const char* name) { return (folder_ / name).generic_string(); };
  EXPECT_EQ(stems, (Names{in("x/a"), in("y/a"), "a", in("x/t"), in("y/t")}));
  EXPECT_EQ(prefixes, (Names{"", "", "", in("x/t") + "/", in("y/t") + "/"}));
  EXPECT_EQ(plan_sources({folder_ / "x/t.tar"}, "")[0].items[0].prefix, "") << "one tar alone";
}

TEST_F(ImportSourcesTest, OtherKindsAreNamed) {
  make({"a.pdf", "a.gz"});
  ASSERT_EQ(::mkfifo((folder_ / "pipe.txt").c_str(), 0600), 0);
  expect_error(
      "a.pdf",
      "a.pdf: expected a folder, .tar, .jsonl (also .gz, .xz, .zst) or .txt, found another kind of file");
  expect_error("a.gz", "found another kind of file");
  expect_error(
      "pipe.txt",
      "pipe.txt: expected a file or folder, found a device, pipe or socket; write it to a file first");
}

}  // namespace
}  // namespace mom::data
