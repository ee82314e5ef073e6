// Icon sets: which icon is whose, and what is refused.
#include "mom/quickstart/icon_set.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "mom/base/error.h"
#include "mom/quickstart/styles.h"
#include "tests/quickstart/support.h"

namespace mom::quickstart {
namespace {

using Names = std::vector<std::string>;

TEST(IconSet, NamesAreWordsInLowerCase) {
  EXPECT_EQ(icon_names("red apple"), Names{"red-apple"});
  EXPECT_EQ(icon_names("A button (blood type)"), Names{"a-button-blood-type"});
  EXPECT_EQ(icon_names("man’s shoe"), Names{"mans-shoe"});
  EXPECT_EQ(icon_names("keycap: #"), (Names{"keycap-hashtag", "keycap-pound"}));
  EXPECT_EQ(icon_names("flag: Côte d’Ivoire"),
            (Names{"flag-cote-divoire", "flag-for-cote-divoire", "flag-for-flag-cote-divoire"}));
}

class IconSetFile : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(package_); }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& json) { publish_file(file_, json); }
  Path root_ = test_folder("icon-set"), package_ = root_ / "usr/local/lib/node_modules/@iconify-json/noto-v1",
       file_ = package_ / "icons.json";
};

TEST_F(IconSetFile, GivesTheFirstNameItHasAlsoAsAnAlias) {
  write(
      R"({"width": 16, "height": 8, "icons": {"key": {"body": "<a/>"}, "egg": {"body": "<b/>", "width": 32}},
            "aliases": {"old-key": {"parent": "key"}, "left-egg": {"parent": "egg", "hFlip": true},
                        "lost": {"parent": "none"}}})");
  const IconSet icons(file_);
  EXPECT_NE(icons.svg({"no", "key", "egg"}).find("<a/>"), std::string::npos);
  EXPECT_NE(icons.svg({"key"}).find("viewBox=\"0 0 16.000000 8.000000\""), std::string::npos);
  EXPECT_NE(icons.svg({"egg"}).find("viewBox=\"0 0 32.000000 8.000000\""), std::string::npos);
  EXPECT_EQ(icons.svg({"old-key"}), icons.svg({"key"}));
  for (const char* name : {"left-egg", "lost", "no"}) EXPECT_EQ(icons.svg({name}), "") << name;
}

TEST_F(IconSetFile, OtherFilesAreNamed) {
  write(R"({"glyphs": {}})");
  EXPECT_THROW(IconSet{file_}, InputError);
}

// Drawn by rsvg-convert, from memory.
TEST_F(IconSetFile, AStyleDrawsItsIcons) {
  if (std::system("command -v rsvg-convert >/dev/null") != 0) GTEST_SKIP() << "NOT TESTED: no rsvg-convert";
  write(R"({"width": 16, "height": 16,
            "icons": {"key": {"body": "<path fill=\"#f00\" d=\"M0 0h16v16H0z\"/>"}}})");
  const std::vector<Emoji> emoji = {{{0x1F95A}, "egg"}, {{0x1F511}, "key"}};
  const auto images = read_style(kNotoV1, Packages(root_), emoji);
  ASSERT_EQ(images.size(), 1u);
  EXPECT_EQ(images[0].emoji, 1u);
  EXPECT_EQ(images[0].name, "1f511.png");
  EXPECT_EQ(images[0].bytes.substr(1, 3), "PNG");
}

}  // namespace
}  // namespace mom::quickstart
