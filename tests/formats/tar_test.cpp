#include "mom/formats/tar.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "tests/support/temp_folder.h"

namespace mom::formats {
namespace {

using test::TempFolder;

struct Expected {
  std::string name, content;
};

std::vector<Expected> sample_entries() {
  return {{"a.txt", "red apple"},
          {"empty.txt", ""},
          {"block.bin", std::string(512, 'b')},
          {"long.bin", std::string(5000, 'l')},
          {std::string(80, 'd') + "/" + std::string(90, 'n') + ".txt", "split into prefix and name"},
          {std::string(150, 'x') + ".txt", "pax path"},
          {"caf\xc3\xa9/\xe7\xba\xa2.png", "not ASCII"}};
}

std::vector<uint64_t> write_sample(const Path& path) {
  TarWriter writer(path);
  std::vector<uint64_t> offsets;
  for (const Expected& entry : sample_entries()) offsets.push_back(writer.add(entry.name, entry.content));
  writer.close();
  return offsets;
}

std::vector<TarEntry> read_all(const Path& path, const TarLimits& limits = {}) {
  std::vector<TarEntry> entries;
  read_tar(
      path,
      [&](TarEntry&& entry) {
        entries.push_back(std::move(entry));
        return true;
      },
      limits);
  return entries;
}

void expect_sample(const std::vector<TarEntry>& entries) {
  const auto expected = sample_entries();
  ASSERT_EQ(entries.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(entries[i].name, expected[i].name);
    EXPECT_EQ(entries[i].content, expected[i].content);
  }
}

TEST(Tar, ReadsBackWhatItWroteAndOffsetsPointAtContent) {
  TempFolder folder;
  const auto offsets = write_sample(folder / "a.tar");
  const auto entries = read_all(folder / "a.tar");
  expect_sample(entries);
  const std::string file = read_file(folder / "a.tar");
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].data_offset, offsets[i]) << entries[i].name;
    EXPECT_EQ(file.substr(offsets[i], entries[i].content.size()), entries[i].content);
  }
}

TEST(Tar, SameInputSameBytes) {
  TempFolder folder;
  write_sample(folder / "a.tar");
  write_sample(folder / "b.tar");
  EXPECT_EQ(read_file(folder / "a.tar"), read_file(folder / "b.tar"));
}

TEST(Tar, OtherProgramsTarsHaveOffsetsToo) {
  TempFolder folder;
  write_sample(folder / "a.tar");
  const std::string at = folder.path().string();
  for (const std::string format : {"gnu", "ustar", "pax"}) {
    const std::string long_name = format == "ustar" ? std::string(90, 'q') : std::string(180, 'q');
    test::write_file(folder / "in.txt", "hello");
    test::write_file(folder / long_name, "world");
    const std::string command =
        "cd '" + at + "' && tar --format=" + format + " -cf " + format + ".tar in.txt " + long_name;
    ASSERT_EQ(std::system(command.c_str()), 0);
    const auto entries = read_all(folder / (format + ".tar"));
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[1].name, long_name);
    const std::string file = read_file(folder / (format + ".tar"));
    for (const TarEntry& entry : entries) {
      EXPECT_GT(entry.data_offset, 0u);
      EXPECT_EQ(file.substr(entry.data_offset, 5), entry.content);
    }
  }
}

TEST(Tar, SystemTarReadsOurs) {
  TempFolder folder;
  write_sample(folder / "a.tar");
  const std::string command = "cd '" + folder.path().string() + "' && mkdir out && tar -xf a.tar -C out";
  ASSERT_EQ(std::system(command.c_str()), 0);
  for (const Expected& entry : sample_entries())
    EXPECT_EQ(read_file(folder / "out" / entry.name), entry.content);
}

TEST(Tar, CompressedTarsHaveNoOffsets) {
  TempFolder folder;
  write_sample(folder / "a.tar");
  for (const std::string program : {"gzip", "xz"}) {
    const std::string command =
        "cd '" + folder.path().string() + "' && " + program + " -c a.tar > a." + program;
    ASSERT_EQ(std::system(command.c_str()), 0);
    const auto entries = read_all(folder / ("a." + program));
    expect_sample(entries);
    for (const TarEntry& entry : entries) EXPECT_EQ(entry.data_offset, 0u);
    EXPECT_EQ(read_compressed(folder / ("a." + program)), read_file(folder / "a.tar"));
  }
}

TEST(Tar, LinksAndSpecialFilesAreVisitedWithoutContent) {
  TempFolder folder;
  const std::string command = "cd '" + folder.path().string() +
                              "' && mkdir d && echo one > d/a && ln d/a d/b && ln -s a d/c && mkfifo d/p && "
                              "for f in gnu ustar pax; do tar --sort=name --format=$f -cf $f.tar d; done";
  ASSERT_EQ(std::system(command.c_str()), 0);
  for (const std::string format : {"gnu", "ustar", "pax"}) {
    const auto entries = read_all(folder / (format + ".tar"));
    ASSERT_EQ(entries.size(), 4u) << format;
    using EntryKind = TarEntry::Kind;
    const EntryKind kinds[] = {EntryKind::kFile, EntryKind::kHardLink, EntryKind::kSymbolicLink,
                               EntryKind::kSpecial};
    const std::string names[] = {"d/a", "d/b", "d/c", "d/p"}, links[] = {"", "d/a", "a", ""};
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(entries[i].kind, kinds[i]) << format << " " << i;
      EXPECT_EQ(entries[i].name, names[i]);
      EXPECT_EQ(entries[i].link, links[i]);
      EXPECT_EQ(entries[i].content, i == 0 ? "one\n" : "");
    }
  }
}

TEST(Tar, SparseFilesAreWhole) {
  TempFolder folder;
  const std::string content =
      std::string(5000, 'a') + std::string(2'000'000, '\0') + "end" + std::string(70'000, '\0');
  test::write_file(folder / "in", content);
  for (const std::string format : {"gnu", "pax"}) {
    const std::string command = "cd '" + folder.path().string() +
                                "' && cp --sparse=always in s && tar -S --format=" + format + " -cf s.tar s";
    ASSERT_EQ(std::system(command.c_str()), 0);
    ASSERT_LT(std::filesystem::file_size(folder / "s.tar"), content.size() / 2) << "the tar is sparse";
    const auto entries = read_all(folder / "s.tar");
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].name, "s") << format;
    EXPECT_TRUE(entries[0].content == content) << format;
    EXPECT_EQ(entries[0].data_offset, 0u);
  }
}

TEST(Compressed, BlocksOfJoinedFilesAndWhatComesBeforeDamage) {
  TempFolder folder;
  std::string text;
  for (int64_t i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i * 7919) + " ";
  test::write_file(folder / "t", text);
  const std::string command =
      "cd '" + folder.path().string() +
      "' && gzip -c t > two.gz && gzip -c t >> two.gz && xz -k t && zstd -q t && "
      "head -c $(($(stat -c %s t.zst) / 2)) t.zst > cut.zst && head -c 500000 two.gz > cut.gz";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_TRUE(read_compressed(folder / "two.gz") == text + text);
  EXPECT_TRUE(read_compressed(folder / "t.xz") == text);
  EXPECT_TRUE(read_compressed(folder / "t.zst") == text);
  for (const std::string name : {"cut.gz", "cut.zst"}) {
    std::string seen;
    EXPECT_THROW(read_compressed_blocks(folder / name, [&](std::string_view block) { seen.append(block); }),
                 InputError);
    EXPECT_GT(seen.size(), 100'000u) << name;
    EXPECT_TRUE(seen == text.substr(0, seen.size())) << name;
  }
}

TEST(Tar, JoinedTarsAreReadToTheEnd) {
  TempFolder folder;
  write_sample(folder / "a.tar");
  const std::string one = read_file(folder / "a.tar");
  test::write_file(folder / "two.tar", one + one);
  const auto entries = read_all(folder / "two.tar");
  ASSERT_EQ(entries.size(), 2 * sample_entries().size());
  for (size_t i = 0; i < entries.size() / 2; ++i)
    EXPECT_EQ(entries[i + entries.size() / 2].data_offset, entries[i].data_offset + one.size());
}

// Cut anywhere: what is whole before the cut is visited, then InputError names the byte where the damaged
// entry starts.
TEST(Tar, EveryCutIsFoundAfterTheEntriesBeforeIt) {
  TempFolder folder;
  const auto offsets = write_sample(folder / "a.tar");
  const std::string whole = read_file(folder / "a.tar");
  const auto expected = sample_entries();
  const size_t end = offsets.back() + 512;
  for (size_t size = 0; size <= end; size += size % 512 == 511 ? 1 : (size % 512 ? 511 - size % 512 : 1)) {
    test::write_file(folder / "cut.tar", whole.substr(0, size));
    std::vector<TarEntry> seen;
    try {
      read_tar(folder / "cut.tar", [&](TarEntry&& entry) {
        seen.push_back(std::move(entry));
        return true;
      });
      ADD_FAILURE() << "cut at " << size << " was not found";
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("cut.tar"), std::string::npos) << error.what();
      if (!seen.empty()) {
        EXPECT_NE(std::string(error.what()).find("byte "), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find("after \"" + seen.back().name), std::string::npos)
            << error.what();
      }
    }
    size_t whole_entries = 0;
    while (whole_entries < offsets.size() &&
           offsets[whole_entries] + expected[whole_entries].content.size() <= size)
      ++whole_entries;
    EXPECT_EQ(seen.size(), whole_entries) << "cut at " << size;
  }
}

TEST(Tar, CutGzipIsFound) {
  TempFolder folder;
  test::write_file(folder / "text", std::string(100000, 'a') + "the end");
  ASSERT_EQ(std::system(("gzip -k '" + (folder / "text").string() + "'").c_str()), 0);
  const std::string whole = read_file(folder / "text.gz");
  EXPECT_EQ(read_compressed(folder / "text.gz"), read_file(folder / "text"));
  for (size_t size = 1; size + 8 < whole.size(); size += 7) {
    test::write_file(folder / "cut.gz", whole.substr(0, size));
    EXPECT_THROW(read_compressed(folder / "cut.gz"), InputError) << size;
  }
  EXPECT_THROW(read_compressed(folder / "text.gz", 1000), InputError);
  EXPECT_THROW(read_compressed(folder / "text"), InputError);
}

TEST(Tar, DamageAndForeignFilesAreRefused) {
  TempFolder folder;
  const auto offsets = write_sample(folder / "a.tar");
  std::string damaged = read_file(folder / "a.tar");
  damaged[offsets[3] - 500] ^= 1;  // in the fourth entry's header: its checksum no longer fits
  test::write_file(folder / "damaged.tar", damaged);
  std::vector<std::string> seen;
  EXPECT_THROW(read_tar(folder / "damaged.tar",
                        [&](TarEntry&& entry) {
                          seen.push_back(entry.name);
                          return true;
                        }),
               InputError);
  EXPECT_EQ(seen.size(), 3u);
  test::write_file(folder / "foreign.tar", std::string(4096, 'z'));
  EXPECT_THROW(read_all(folder / "foreign.tar"), InputError);
  test::write_file(folder / "empty.tar", "");
  EXPECT_THROW(read_all(folder / "empty.tar"), InputError);
  EXPECT_THROW(read_all(folder / "absent.tar"), InputError);
  EXPECT_THROW(read_all(folder.path()), InputError);
}

TEST(Tar, LimitsAndStopping) {
  TempFolder folder;
  write_sample(folder / "a.tar");
  EXPECT_THROW(read_all(folder / "a.tar", {4999}), InputError);
  EXPECT_EQ(read_all(folder / "a.tar", {5000}).size(), sample_entries().size());
  int visited = 0;
  read_tar(folder / "a.tar", [&](TarEntry&&) { return ++visited < 2; });
  EXPECT_EQ(visited, 2);
}

TEST(Tar, WriterRefusesNamesItCannotStore) {
  TempFolder folder;
  TarWriter writer(folder / "a.tar");
  EXPECT_THROW(writer.add("", "x"), UserError);
  EXPECT_THROW(writer.add(std::string_view("a\0b", 3), "x"), UserError);
}

}  // namespace
}  // namespace mom::formats
