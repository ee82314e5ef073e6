// What the quickstart's tests share: whether packages are there, and folders compared byte for byte.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <initializer_list>
#include <map>
#include <string>

#include "mom/base/hash.h"
#include "mom/data/document.h"
#include "mom/quickstart/packages.h"

namespace mom::quickstart {

inline bool all_there(std::initializer_list<const char*> files) {
  const Path root = Packages().root();
  for (const char* file : files)
    if (!std::filesystem::exists(root / file)) return false;
  return true;
}

inline bool texts_installed() {
  return all_there({"usr/share/dictd/gcide.index", "usr/share/dictd/foldoc.index",
                    "usr/share/doc/anarchism/markdown/secA1.md.gz"});
}

inline bool emoji_installed() {
  return all_there({"usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
                    "usr/share/unicode/emoji/emoji-test.txt",
                    "usr/share/unicode/cldr/common/annotations/en.xml"});
}

inline Path test_folder(const std::string& name) {
  return Path(testing::TempDir()) / ("mom-" + name + "-" + std::to_string(::getpid()));
}

// Documents by "source/split".
inline std::map<std::string, uint64_t> count_documents(const Path& folder) {
  std::map<std::string, uint64_t> counts;
  const data::DocumentReader reader(folder);  // outlives the loop over what it owns
  for (const auto& collection : reader.collections())
    counts[collection.source + "/" + collection.split] = collection.num_documents;
  return counts;
}

inline void expect_same_files(const Path& folder, const Path& other, uint64_t num_files) {
  uint64_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const Path twin = other / entry.path().filename();
    EXPECT_EQ(sha256_hex_of_file(entry.path()), sha256_hex_of_file(twin)) << twin;
    ++found;
  }
  EXPECT_EQ(found, num_files);
}

}  // namespace mom::quickstart
