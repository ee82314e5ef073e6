// What needs no package: concepts, the emoji list, keywords, missing packages.
#include <gtest/gtest.h>
#include <unistd.h>

#include "mom/base/error.h"
#include "mom/quickstart/emoji_list.h"
#include "mom/quickstart/packages.h"

namespace mom::quickstart {
namespace {

class EmojiTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = Path(testing::TempDir()) / ("mom-emoji-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  Path file(const std::string& name, const std::string& content) {
    publish_file(root_ / name, content);
    return root_ / name;
  }
  Path root_;
};

TEST_F(EmojiTest, ConceptLeavesOutToneGenderAndPresentation) {
  Emoji man_cook{{0x1F468, 0x200D, 0x1F373}, "man cook"},
      dark_woman_cook{{0x1F469, 0x1F3FF, 0x200D, 0x1F373}, ""};
  Emoji runner{{0x1F3C3, 0x1F3FB, 0x200D, 0x2640, 0xFE0F}, ""}, female_sign{{0x2640, 0xFE0F}, "female sign"};
  EXPECT_EQ(concept_of(man_cook), "1f9d1-1f373");
  EXPECT_EQ(concept_of(dark_woman_cook), "1f9d1-1f373");
  EXPECT_EQ(concept_of(runner), "1f3c3");
  EXPECT_EQ(concept_of(female_sign), "2640-fe0f");
  EXPECT_TRUE(runner.has_skin_tone());
  EXPECT_FALSE(man_cook.has_skin_tone());
  EXPECT_EQ(man_cook.key(), "1f468-200d-1f373");
}

TEST_F(EmojiTest, ListHoldsFullyQualifiedSequencesInOrder) {
  auto list = read_emoji_list(file("emoji-test.txt",
                                   "#     fully-qualified — a comment\n"
                                   "1F34E      ; fully-qualified     # \xF0\x9F\x8D\x8E E0.6 red apple\n"
                                   "263A       ; unqualified         # x E0.6 smiling face\n"
                                   "1F1EB 1F1F7 ; fully-qualified # x E0.6 flag: France\n"));
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name, "red apple");
  EXPECT_EQ(list[1].name, "flag: France");
  EXPECT_EQ(list[1].code_points, (std::vector<char32_t>{0x1F1EB, 0x1F1F7}));
}

TEST_F(EmojiTest, BrokenListNamesTheLine) {
  Path broken = file("emoji-test.txt", "# head\n1F34E 12ZZ ; fully-qualified # x E0.6 red apple\n");
  try {
    read_emoji_list(broken);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("emoji-test.txt:2"), std::string::npos) << error.what();
  }
  EXPECT_THROW(read_emoji_list(file("empty.txt", "# nothing\n")), InputError);
}

TEST_F(EmojiTest, KeywordsWithoutTheName) {
  auto keywords =
      read_keywords({file("en.xml",
                          "<ldml><annotations>"
                          "<annotation cp=\"\xE2\x98\xBA\">face | smiling face | outlined</annotation>"
                          "<annotation cp=\"\xE2\x98\xBA\" type=\"tts\">smiling face</annotation>"
                          "</annotations></ldml>")});
  Emoji smiling{{0x263A, 0xFE0F}, "smiling face"};
  EXPECT_EQ(keywords_of(smiling, keywords), (std::vector<std::string>{"face", "outlined"}));
  EXPECT_TRUE(keywords_of({{0x1F34E}, "red apple"}, keywords).empty());
  EXPECT_THROW(read_keywords({file("broken.xml", "<ldml><annotations>")}), InputError);
}

TEST_F(EmojiTest, MissingFileNamesPackageAndCommand) {
  try {
    Packages(root_).file("usr/share/dictd/gcide.index", "dict-gcide");
    FAIL() << "no error";
  } catch (const InputError& error) {
    std::string message = error.what();
    EXPECT_NE(message.find("usr/share/dictd/gcide.index"), std::string::npos) << message;
    EXPECT_NE(message.find("apt-get install dict-gcide"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace mom::quickstart
