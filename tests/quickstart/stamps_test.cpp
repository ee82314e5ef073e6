// Stamps: read from a small package made here.
#include "mom/quickstart/stamps.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/formats/image_file.h"
#include "tests/support/temp_folder.h"

namespace mom::quickstart {
namespace {

TEST(Stamps, ConceptOfAStem) {
  EXPECT_EQ(concept_of_stem("025quarter"), "quarter");
  EXPECT_EQ(concept_of_stem("A_with_umlaut_outline"), "a with umlaut");
  EXPECT_EQ(concept_of_stem("eye_blue_left"), "eye blue");
  EXPECT_EQ(concept_of_stem("lion-2"), "lion");
  EXPECT_EQ(concept_of_stem("Candy_cane_photo_1"), "candy cane");
  EXPECT_EQ(concept_of_stem("747"), "747");
  EXPECT_EQ(concept_of_stem("kangaroo-silo"), "kangaroo");
}

class StampFolder : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder()); }
  Path folder() const { return root_ / "usr/share/tuxpaint/stamps/pets"; }
  void file(const std::string& name, const std::string& content) const {
    test::write_file(folder() / name, content);
  }
  std::vector<Stamp> read() const { return read_stamps(Packages(root_.path())); }

  test::TempFolder root_;
};

TEST_F(StampFolder, CaptionsRecordingsAndConcepts) {
  file("cat.txt", "A cat.\nde.utf8=Eine Katze.\nfr.utf8= Un chat.\r\nru.utf8=\n");
  file("cat.png", "one");
  file("cat_desc_fr.ogg", "sound");
  file("cat_desc_de.ogg", "sound");
  file("kitty.txt", "A kitty.\nfr.utf8=Un chat.\n");  // the same words in French
  file("kitty.svg", "<svg/>");
  file("kitty_desc.ogg", "sound");
  file("dog.txt", "A dog.\n");
  file("dog.png", "two");
  file("hound2.txt", "A hound.\n");
  file("hound2.png", "two");  // the same image
  file("bark.txt", "Only a sound.\n");
  const auto stamps = read();
  ASSERT_EQ(stamps.size(), 4u);
  EXPECT_EQ(stamps[0].key, "pets/cat");
  EXPECT_EQ(stamps[0].captions, (decltype(stamps[0].captions){{"en", "A cat."}, {"fr", "Un chat."}}));
  ASSERT_EQ(stamps[0].recordings.size(), 1u);
  EXPECT_EQ(stamps[0].recordings.at("fr").filename(), "cat_desc_fr.ogg");
  EXPECT_EQ(stamps[2].key, "pets/hound2");
  EXPECT_EQ(stamps[2].concept_name, "dog");
  EXPECT_EQ(stamps[3].key, "pets/kitty");
  EXPECT_EQ(stamps[3].concept_name, "cat");
  EXPECT_TRUE(stamps[3].recordings.contains("en"));
  EXPECT_EQ(stamps[3].image.filename(), "kitty.svg");
}

TEST_F(StampFolder, BadCaptionAndMissingPackage) {
  file("cat.txt", "A cat.\nfr.utf8=Un ch\xE2t.\n");
  file("cat.png", "one");
  try {
    read();
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("cat.txt:2: byte 13"), std::string::npos) << error.what();
  }
  try {
    read_stamps(Packages(root_ / "nowhere"));
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("tuxpaint-stamps-default"), std::string::npos) << error.what();
  }
}

TEST_F(StampFolder, SvgIsDrawn) {
  if (std::system("rsvg-convert --version > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "NOT TESTED: rsvg-convert (package librsvg2-bin) is not installed";
  file("a.txt", "A square.\n");
  file(
      "a.svg",
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10" fill="red"/></svg>)");
  const std::string png = draw_stamps(read())[0];
  const auto image = formats::decode_image(std::as_bytes(std::span(png)), "a.svg");
  EXPECT_EQ(image.width, 512);
  EXPECT_EQ(image.height, 256);
  EXPECT_EQ(image.pixels[0], 255);
  EXPECT_EQ(image.pixels[1], 0);
  file("a.svg", "<svg");
  EXPECT_THROW(draw_stamps(read()), InputError);
}

}  // namespace
}  // namespace mom::quickstart
