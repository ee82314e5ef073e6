// Inspection of encoded data: counts by modality, and damage told.
#include "mom/data/inspect.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "mom/base/error.h"
#include "mom/data/shard.h"
#include "mom/formats/npy.h"
#include "tests/support/thrown.h"
#include "tests/support/tiny_data.h"

namespace mom::data {
namespace {

using test::message_of;

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

// Documents of many kinds, made by hand.
class InspectDocuments : public testing::Test {
 protected:
  Path folder() const { return folder_ / "documents"; }
  test::TempFolder folder_;
};

TEST_F(InspectDocuments, ExamplesSayWhatADocumentHolds) {
  {
    DocumentWriter writer(folder(), false);
    writer.add("pets", "train",
               {"fox",
                false,
                {test::text_segment("a red\nfox", {"animal", "red"}),
                 {"image", "", {}, writer.add_media("fox.png", "x")},
                 {"speech", "", {}, writer.add_media("fox.wav", "y"), 1.25},
                 {"music", "", {}, writer.add_media("fox.npy", "z"), 0, true}}});
    writer.set_skipped(3);
    writer.commit();
  }
  const std::string text = inspect_text(folder(), 5);
  EXPECT_NE(text.find("\n3 bad samples were skipped\n\npets, train:\n"
                      "  fox: \"a red fox\" (animal, red) [image] [speech 1.2 s] [music]\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(inspect_text(folder(), 0).find("fox"), std::string::npos) << "no examples are asked for";
  EXPECT_EQ(inspect_json(folder())["seconds"].dump(), R"({"speech":1.25})");
  EXPECT_EQ(inspect_json(folder())["skipped"], 3);
}

TEST_F(InspectDocuments, LongTextsAreCutBetweenCharacters) {
  DocumentWriter writer(folder(), false);
  writer.add("pets", "train",
             {"fox", false, {test::text_segment(std::string(99, 'a') + "\xF0\x9F\xA6\x8A")}});
  writer.add("pets", "train", {"owl", false, {test::text_segment(std::string(100, 'b'))}});
  writer.commit();
  const std::string text = inspect_text(folder(), 2);
  EXPECT_NE(text.find("fox: \"" + std::string(99, 'a') + " ...\"\n"), std::string::npos) << text;
  EXPECT_NE(text.find("owl: \"" + std::string(100, 'b') + "\"\n"), std::string::npos) << text;
}

TEST_F(InspectDocuments, ExamplesAreSpreadOverACollection) {
  DocumentWriter writer(folder(), false);
  for (int i = 0; i < 10; ++i)
    writer.add("pets", "train", {"k" + std::to_string(i), false, {test::text_segment("t")}});
  writer.commit();
  const std::string text = inspect_text(folder(), 3);
  EXPECT_NE(text.find("pets, train:\n  k0: \"t\"\n  k3: \"t\"\n  k6: \"t\"\n"), std::string::npos) << text;
}

TEST_F(InspectDocuments, ASmallCollectionIsShownAsAWhole) {
  DocumentWriter writer(folder(), false);
  for (int i = 0; i < 2; ++i)
    writer.add("pets", "train", {"k" + std::to_string(i), false, {test::text_segment("t")}});
  writer.commit();
  const std::string text = inspect_text(folder(), 3);
  EXPECT_NE(text.find("pets, train:\n  k0: \"t\"\n  k1: \"t\"\n"), std::string::npos) << text;
}

TEST_F(InspectDocuments, AContactSheetNeedsPictures) {
  DocumentWriter writer(folder(), false);
  const std::string array = formats::write_npy({{2}, std::vector<int64_t>{1, 2}});
  writer.add("texts", "train", {"fox", false, {test::text_segment("a fox")}});
  writer.add("codes", "train",
             {"fox", false, {{"image", "", {}, writer.add_media("a.npy", array), 0, true}}});
  writer.commit();
  const std::string error =
      message_of<InputError>([&] { write_contact_sheet(folder(), folder_ / "sheet.png"); });
  EXPECT_NE(error.find("documents: expected documents with pictures, found none"), std::string::npos)
      << error;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "sheet.png"));
}

TEST_F(InspectDocuments, OtherFoldersAreNamed) {
  std::filesystem::create_directories(folder());
  const auto inspect = [&] { inspect_json(folder()); };
  EXPECT_NE(message_of<InputError>(inspect).find("a documents folder with dataset.json, found none"),
            std::string::npos);
  for (const char* manifest : {"[]", "{}", R"({"format": "of another program"})", R"({"format": 5})"}) {
    test::write_file(folder() / "dataset.json", manifest);
    EXPECT_NE(message_of<InputError>(inspect).find("expected \"format\": \"mom-documents\""),
              std::string::npos)
        << manifest;
  }
}

class InspectEncoded : public InspectTest {
 protected:
  static Path changed(const std::function<void(Json&)>& edit) {
    const Path copy = *folder_ / "changed";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(*folder_ / "tiny" / "encoded", copy, std::filesystem::copy_options::recursive);
    Json manifest = read_json(copy / "dataset.json");
    manifest.erase("hash");
    edit(manifest);
    test::write_file(copy / "dataset.json", manifest.dump());
    return copy;
  }
};

TEST_F(InspectEncoded, ShardsOfOneSourceAndSplitAreOneRow) {
  const OrderedJson once = inspect_json(changed([](Json&) {}));
  const Path twice = changed([](Json& manifest) {
    const Json first = manifest["shards"][0];
    manifest["shards"].push_back(first);
  });
  const Json first = read_json(twice / "dataset.json")["shards"][0];
  EXPECT_EQ(inspect_json(twice)["documents"].get<int>(),
            once["documents"].get<int>() + first["documents"].get<int>());
  const auto num_lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  EXPECT_EQ(num_lines(inspect_text(twice, 2)), num_lines(inspect_text(changed([](Json&) {}), 2)));
}

TEST_F(InspectEncoded, NoCountIsBelow0) {
  const std::pair<const char*, void (*)(Json&)> edits[] = {
      {"skipped", [](Json& manifest) { manifest["skipped"] = -2; }},
      {"text", [](Json& manifest) { manifest["shards"][0]["tokens"]["text"] = -1; }},
      {"text", [](Json& manifest) { manifest["shards"][0]["segments"]["text"] = -1; }}};
  for (const auto& [key, edit] : edits) try {
      inspect_json(changed(edit));
      ADD_FAILURE() << key;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("expected \"" + std::string(key) + "\" not below 0, found -"),
                std::string::npos)
          << error.what();
    }
}

TEST_F(InspectEncoded, CountsOfAShardAreNeeded) {
  for (const char* key : {"segments", "tokens"})
    for (const Json& value : {Json(), Json(5)}) {
      const Path folder = changed([&](Json& manifest) {
        manifest["shards"][0][key] = value;
        if (value.is_null()) manifest["shards"][0].erase(key);
      });
      try {
        inspect_json(folder);
        ADD_FAILURE() << key;
      } catch (const InputError& error) {
        EXPECT_NE(std::string(error.what())
                      .find("dataset.json: expected \"" + std::string(key) + "\" as an object"),
                  std::string::npos)
            << error.what();
      }
    }
}

}  // namespace
}  // namespace mom::data
