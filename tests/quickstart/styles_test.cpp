// Emoji drawn by others: which file is whose, and what is said when there is none.
#include "mom/quickstart/styles.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "tests/quickstart/support.h"

namespace mom::quickstart {
namespace {

const Emoji kKeycap{{0x23, 0xFE0F, 0x20E3}, "keycap: #"};
const Emoji kHeart{{0x2764, 0xFE0F}, "red heart"};
const Emoji kHeartOnFire{{0x2764, 0xFE0F, 0x200D, 0x1F525}, "heart on fire"};

TEST(Styles, FilesAreNamedByCodePoints) {
  EXPECT_EQ(style_file_stem(kTwemoji, kKeycap), "23-20e3");
  EXPECT_EQ(style_file_stem(kTwemoji, kHeart), "2764");
  EXPECT_EQ(style_file_stem(kTwemoji, kHeartOnFire), "2764-fe0f-200d-1f525");
  EXPECT_EQ(style_file_stem(kFluent, kKeycap), "0023-fe0f-20e3");
  EXPECT_EQ(style_file_stem(kFluent, kHeart), "2764-fe0f");
}

class StylesFolder : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(root_); }
  Path root_ = test_folder("styles"),
       assets_ = root_ / "usr/local/lib/node_modules/@lobehub/fluent-emoji-3d/assets";
  std::vector<Emoji> all_ = {kKeycap, kHeart, kHeartOnFire};
};

TEST_F(StylesFolder, GivesThoseThatAreThereInOrder) {
  std::filesystem::create_directories(assets_);
  publish_file(assets_ / "2764-fe0f-200d-1f525.webp", "fire");
  publish_file(assets_ / "0023-fe0f-20e3.webp", "key");
  const auto images = read_style(kFluent, Packages(root_), all_);
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].emoji, 0u);
  EXPECT_EQ(images[0].bytes, "key");
  EXPECT_EQ(images[1].emoji, 2u);
  EXPECT_EQ(images[1].name, kHeartOnFire.key() + ".webp");
}

TEST_F(StylesFolder, AMissingPackageIsNamedWithWhatToDo) {
  try {
    read_style(kFluent, Packages(root_), all_);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("@lobehub/fluent-emoji-3d"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("--with styles"), std::string::npos) << error.what();
  }
  std::filesystem::create_directories(assets_);
  EXPECT_THROW(read_style(kFluent, Packages(root_), all_), InputError);
}

}  // namespace
}  // namespace mom::quickstart
