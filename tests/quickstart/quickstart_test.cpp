// The quickstart data on the real packages, where they are installed.
#include "mom/quickstart/quickstart.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <span>

#include "mom/base/hash.h"
#include "mom/data/document.h"
#include "mom/formats/image_file.h"
#include "mom/quickstart/packages.h"
#include "tests/quickstart/support.h"

namespace mom::quickstart {
namespace {

// Made once for all tests of this file.
class Quickstart : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!texts_installed() || !emoji_installed()) return;
    folder_ = test_folder("quickstart");
    make_quickstart({.out = folder_ / "data", .packages = {}, .replace = true});
  }
  static void TearDownTestSuite() {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  void SetUp() override {
    if (folder_.empty())
      GTEST_SKIP() << "NOT TESTED: the quickstart's Debian packages are not installed (set MOM_PACKAGES to "
                      "their folder)";
  }
  static data::DocumentReader reader() { return data::DocumentReader(folder_ / "data"); }
  static inline Path folder_;
};

// Of Debian 12: emoji 15.0, gcide 0.48.5, foldoc 2023-01-19, anarchism 15.3.
TEST_F(Quickstart, CountsAreThoseOfTheData) {
  std::map<std::string, uint64_t> expected = {{"noto/train", 1688},        {"noto/validation", 98},
                                              {"noto/test", 84},           {"gcide/train", 112650},
                                              {"gcide/validation", 1144},  {"anarchism/train", 142},
                                              {"anarchism/validation", 1}, {"foldoc/validation", 12014}};
  EXPECT_EQ(count_documents(folder_ / "data"), expected);
}

TEST_F(Quickstart, NoPictureAndNoConceptIsInTwoSplits) {
  std::map<std::string, std::string> concept_by_key;
  for (const Emoji& emoji :
       read_emoji_list(Packages().file("usr/share/unicode/emoji/emoji-test.txt", "unicode-data")))
    concept_by_key[emoji.key()] = concept_of(emoji);
  std::map<std::string, std::set<std::string>> splits_by_concept, splits_by_image;
  data::DocumentReader documents = reader();
  for (const auto& collection : documents.collections()) {
    if (collection.source != "noto") continue;
    documents.for_each(collection, [&](const data::Document& document) {
      splits_by_concept[concept_by_key.at(document.key)].insert(collection.split);
      splits_by_image[sha256_hex(documents.read_media(document.segments[1].media))].insert(collection.split);
    });
  }
  EXPECT_EQ(splits_by_concept.size(), 1699u);
  EXPECT_EQ(splits_by_image.size(), 1861u);
  for (const auto& [name, splits] : splits_by_concept) EXPECT_EQ(splits.size(), 1u) << name;
  for (const auto& [hash, splits] : splits_by_image) EXPECT_EQ(splits.size(), 1u) << hash;
}

TEST_F(Quickstart, PicturesAreNotosBitmapsWithAlpha) {
  data::DocumentReader documents = reader();
  uint64_t num_with_keywords = 0, num_transparent = 0;
  for (const auto& collection : documents.collections()) {
    if (collection.source != "noto") continue;
    documents.for_each(collection, [&](const data::Document& document) {
      EXPECT_TRUE(document.free_order);
      ASSERT_EQ(document.segments.size(), 2u);
      std::string bytes = documents.read_media(document.segments[1].media);
      auto image = formats::decode_image(std::as_bytes(std::span(bytes.data(), bytes.size())), document.key);
      EXPECT_EQ(image.width, 136);
      EXPECT_EQ(image.height, 128);
      EXPECT_EQ(image.channels, 4);
      num_transparent += image.pixels[3] == 0;
      num_with_keywords += !document.segments[0].keywords.empty();
      for (const std::string& word : document.segments[0].keywords)
        EXPECT_NE(word, document.segments[0].text);
    });
  }
  EXPECT_GT(num_transparent, 1800u);
  EXPECT_GT(num_with_keywords, 1780u);
}

TEST_F(Quickstart, SplitOfTextIsThatOfItsKey) {
  data::DocumentReader documents = reader();
  for (const auto& collection : documents.collections()) {
    if (collection.source != "gcide") continue;
    documents.for_each(collection, [&](const data::Document& document) {
      bool held_out = splitmix64_finalise(fnv1a64(document.key)) % 100 == 0;
      ASSERT_EQ(collection.split, held_out ? "validation" : "train") << document.key;
      ASSERT_EQ(document.segments[0].text.find("[1913 Webster]"), std::string::npos) << document.key;
    });
  }
}

TEST_F(Quickstart, SamePackagesGiveSameBytes) {
  make_quickstart({.out = folder_ / "again", .packages = {}, .replace = false});
  expect_same_files(folder_ / "data", folder_ / "again", 10);
}

}  // namespace
}  // namespace mom::quickstart
