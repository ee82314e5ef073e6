#include "mom/data/sounds.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/formats/sound_file.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tones.h"

namespace mom::data {
namespace {

// A documents folder with twelve sounds of half a second at 8 kHz, one of which is no sound.
class SoundsTest : public testing::Test {
 protected:
  void SetUp() override {
    DocumentWriter writer(folder_ / "documents", false);
    for (uint64_t i = 0; i < 12; ++i) {
      const std::string wav = formats::encode_wav(test::babble(0.5, i, 8'000), 8'000);
      add(writer, "train", "sound-" + std::to_string(i), wav);
    }
    add(writer, "test", "broken", "RIFFxxxxWAVE");
    writer.commit();
  }

  static void add(DocumentWriter& writer, const std::string& split, const std::string& key,
                  const std::string& bytes) {
    Document document{key, false, {}};
    document.segments.push_back({"speech", "", {}, writer.add_media(key + ".wav", bytes)});
    writer.add("voices", split, document);
  }

  test::TempFolder folder_;
};

TEST_F(SoundsTest, SpeechIsResampledTo16Kilohertz) {
  const DocumentReader reader(folder_ / "documents");
  const auto sounds = sample_speech(reader, "train", 1e9);
  ASSERT_EQ(sounds.size(), 12u);
  for (const auto& sound : sounds) EXPECT_EQ(sound.size(), 8'000u);
}

TEST_F(SoundsTest, ASampleIsAPartOfALargerOne) {
  const DocumentReader reader(folder_ / "documents");
  const auto few = sample_speech(reader, "train", 2.1), all = sample_speech(reader, "train", 1e9);
  ASSERT_EQ(few.size(), 5u);
  for (size_t i = 0; i < few.size(); ++i) EXPECT_EQ(few[i], all[i]);
  EXPECT_TRUE(sample_speech(reader, "validation", 1e9).empty());
}

TEST_F(SoundsTest, ErrorsNameTheSample) {
  const DocumentReader reader(folder_ / "documents");
  try {
    sample_speech(reader, "test", 1e9);
    FAIL() << "read a sound that is none";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("document \"broken\""), std::string::npos) << error.what();
  }
}

TEST_F(SoundsTest, OverLongSoundsAreRefusedByName) {
  {
    DocumentWriter writer(folder_ / "long", false);
    add(writer, "train", "all-day", formats::encode_wav(std::vector<float>(3'601'000, 0.0f), 1'000));
    writer.commit();
  }
  const DocumentReader reader(folder_ / "long");
  try {
    sample_speech(reader, "train", 1e9);
    FAIL() << "read a sound of more than an hour";
  } catch (const InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("document \"all-day\""), std::string::npos) << message;
    EXPECT_NE(message.find("3600"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace mom::data
