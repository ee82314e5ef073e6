// Inspection of encoded data: counts by modality, and damage told.
#include "mom/data/inspect.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/data/shard.h"
#include "tests/support/tiny_data.h"

namespace mom::data {
namespace {

class InspectTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    test::make_tiny_encoded(*folder_ / "tiny");
  }
  static void TearDownTestSuite() { delete folder_; }
  static inline test::TempFolder* folder_ = nullptr;
};

TEST_F(InspectTest, EncodedDataHasTokens) {
  Path encoded = *folder_ / "tiny" / "encoded";
  uint64_t num_tokens = 0;
  for (const Shard& shard : open_encoded(encoded).shards) num_tokens += shard.tokens.size();
  OrderedJson json = inspect_json(encoded);
  EXPECT_EQ(json["documents"], test::kTinyPictures + test::kTinyTexts);
  EXPECT_EQ(json["segments"]["image"], test::kTinyPictures);
  EXPECT_EQ(json["segments"]["text"], test::kTinyPictures + test::kTinyTexts);
  EXPECT_EQ(json["tokens"]["text"], num_tokens);
  EXPECT_EQ(json["tokens"]["image"], test::kTinyPictures * 16);
  EXPECT_EQ(json["skipped"], 0);
  EXPECT_NE(inspect_text(encoded, 2).find("text tokens"), std::string::npos);
}

TEST_F(InspectTest, DocumentsHaveNoTokens) {
  OrderedJson json = inspect_json(*folder_ / "tiny" / "documents");
  EXPECT_FALSE(json.contains("tokens"));
  EXPECT_EQ(json.size(), 3u);
}

TEST_F(InspectTest, DamagedShardIsAnError) {
  Path encoded = *folder_ / "tiny" / "encoded";
  std::string name = open_encoded(encoded).manifest["shards"][0]["file"];
  std::filesystem::resize_file(encoded / name, std::filesystem::file_size(encoded / name) / 2);
  EXPECT_THROW(inspect_json(encoded), InputError);
}

}  // namespace
}  // namespace mom::data
