// Documents with speech on the real packages, where they are installed: minutes of synthesis.
#include <gtest/gtest.h>

#include <set>
#include <span>

#include "mom/data/split.h"
#include "mom/formats/image_file.h"
#include "mom/formats/sound_file.h"
#include "mom/quickstart/emoji_list.h"
#include "mom/quickstart/quickstart.h"
#include "tests/quickstart/support.h"

namespace mom::quickstart {
namespace {

using Splits = std::map<std::string, std::set<std::string>>;

void expect_one_split_each(const Splits& splits) {
  for (const auto& [name, of] : splits) EXPECT_EQ(of.size(), 1u) << name;
}

formats::SoundInfo info_of(const data::DocumentReader& reader, const data::MediaRef& media) {
  const std::string bytes = reader.read_media(media);
  return formats::read_sound_info(std::as_bytes(std::span(bytes)), "speech");
}

class ThreeModality : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!texts_installed() || !emoji_installed()) return;
    folder_ = test_folder("three-modality");
    make_quickstart({.out = folder_ / "data", .packages = {}, .replace = true, .setting = "three_modality"});
  }
  static void TearDownTestSuite() {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  void SetUp() override {
    if (folder_.empty()) GTEST_SKIP() << "NOT TESTED: the quickstart's Debian packages are not installed";
  }
  // Every document with speech.
  static void for_each_spoken(const std::function<void(const data::Collection&, const data::Document&,
                                                       const data::DocumentReader&)>& visit) {
    const data::DocumentReader reader(folder_ / "data");
    for (const auto& collection : reader.collections())
      if (collection.source.starts_with("spoken"))
        reader.for_each(collection,
                        [&](const data::Document& document) { visit(collection, document, reader); });
  }
  static inline Path folder_;
};

// Three voices speak every image of the Transfusion quickstart; the fourth the held-out ones.
TEST_F(ThreeModality, Counts) {
  const std::map<std::string, uint64_t> expected = {
      {"noto/train", 1688},       {"noto/validation", 98},       {"noto/test", 84},
      {"spoken/train", 3 * 1688}, {"spoken/validation", 3 * 98}, {"spoken/test", 3 * 84},
      {"gcide/train", 112650},    {"gcide/validation", 1144},    {"spoken_kal16/validation", 98},
      {"anarchism/train", 142},   {"anarchism/validation", 1},   {"foldoc/validation", 12014}};
  EXPECT_EQ(count_documents(folder_ / "data"), expected);
}

TEST_F(ThreeModality, NoConceptIsInTwoSplitsInAnyVoice) {
  std::map<std::string, std::string> concept_by_key;
  for (const Emoji& emoji :
       read_emoji_list(Packages().file("usr/share/unicode/emoji/emoji-test.txt", "unicode-data")))
    concept_by_key[emoji.key()] = concept_of(emoji);
  Splits by_concept, by_image, by_recording, by_voice;
  for_each_spoken([&](const data::Collection& collection, const data::Document& document, const auto&) {
    const size_t dash = document.key.rfind('-');
    by_concept[concept_by_key.at(document.key.substr(0, dash))].insert(collection.split);
    by_voice[document.key.substr(dash + 1)].insert(collection.split);
    by_image[std::to_string(document.segments[1].media.offset)].insert(collection.split);
    by_recording[std::to_string(document.segments[2].media.offset)].insert(collection.split);
  });
  EXPECT_EQ(by_concept.size(), 1699u);
  expect_one_split_each(by_concept);
  expect_one_split_each(by_image);
  expect_one_split_each(by_recording);
  EXPECT_EQ(by_voice["kal16"], (std::set<std::string>{"validation"}));
  EXPECT_EQ(by_voice.size(), 4u);
  EXPECT_EQ(by_voice["slt"].size(), 3u);
}

TEST_F(ThreeModality, DocumentsAreTextPictureAndSpeechInFreeOrder) {
  double seconds = 0;
  uint64_t number = 0;
  std::set<uint64_t> images;
  for_each_spoken([&](const data::Collection&, const data::Document& document, const auto& reader) {
    EXPECT_TRUE(document.free_order);
    ASSERT_EQ(document.segments.size(), 3u);
    EXPECT_EQ(document.segments[0].modality, "text");
    EXPECT_EQ(document.segments[1].modality, "image");
    EXPECT_EQ(document.segments[2].modality, "speech");
    EXPECT_TRUE(document.segments[0].keywords.empty());
    images.insert(document.segments[1].media.offset);
    seconds += document.segments[2].seconds;
    if (number++ % 50 != 0) return;
    const auto info = info_of(reader, document.segments[2].media);
    EXPECT_EQ(info.rate_hz, 16'000);
    EXPECT_EQ(info.channels, 1);
    EXPECT_NEAR(info.seconds(), document.segments[2].seconds, 5e-4);
    EXPECT_GT(info.seconds(), 0.2) << document.key;
    EXPECT_LT(info.seconds(), 10) << document.key;
  });
  EXPECT_EQ(images.size(), 1861u);  // stored once for all voices
  EXPECT_NEAR(seconds / 3600, 2.2, 0.5);
}

TEST_F(ThreeModality, SamePackagesGiveSameBytes) {
  make_quickstart({.out = folder_ / "again", .packages = {}, .replace = false, .setting = "three_modality"});
  expect_same_files(folder_ / "data", folder_ / "again", 14);
}

class TuxPaint : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!texts_installed() || !all_there({"usr/share/tuxpaint/stamps/animals"})) return;
    folder_ = test_folder("tuxpaint");
    make_quickstart({.out = folder_ / "data", .packages = {}, .replace = true, .setting = "tuxpaint"});
  }
  static void TearDownTestSuite() {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  void SetUp() override {
    if (folder_.empty())
      GTEST_SKIP()
          << "NOT TESTED: the package tuxpaint-stamps-default is not there (scripts/setup --with tuxpaint)";
  }
  static inline Path folder_;
};

TEST_F(TuxPaint, NoCaptionPictureOrConceptIsInTwoSplits) {
  const data::DocumentReader reader(folder_ / "data");
  Splits by_caption, by_image, by_stamp;
  uint64_t num_documents = 0;
  for (const auto& collection : reader.collections()) {
    if (collection.source != "stamps") continue;
    reader.for_each(collection, [&](const data::Document& document) {
      ++num_documents;
      EXPECT_TRUE(document.free_order);
      ASSERT_EQ(document.segments.size(), 3u);
      by_caption[document.segments[0].text].insert(collection.split);
      by_image[std::to_string(document.segments[1].media.offset)].insert(collection.split);
      by_stamp[document.key.substr(0, document.key.rfind('-'))].insert(collection.split);
    });
  }
  EXPECT_EQ(num_documents, 5211u);
  expect_one_split_each(by_caption);
  expect_one_split_each(by_image);
  expect_one_split_each(by_stamp);
}

TEST_F(TuxPaint, PicturesAndRecordingsCanBeRead) {
  const data::DocumentReader reader(folder_ / "data");
  for (const auto& collection : reader.collections()) {
    if (collection.source != "stamps") continue;
    uint64_t number = 0;
    reader.for_each(collection, [&](const data::Document& document) {
      if (number++ % 20 != 0) return;
      const std::string image = reader.read_media(document.segments[1].media);
      EXPECT_NO_THROW(formats::decode_image(std::as_bytes(std::span(image)), document.key));
      EXPECT_GT(info_of(reader, document.segments[2].media).seconds(), 0.3) << document.key;
    });
  }
}

}  // namespace
}  // namespace mom::quickstart
