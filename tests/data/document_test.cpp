// Documents folders: what is written comes back; damage is told; nothing half-written is left behind.
#include "mom/data/document.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "mom/base/error.h"

namespace mom::data {
namespace {

class DocumentTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = Path(testing::TempDir()) / ("mom-document-test-" + std::to_string(::getpid()));
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static Document text_document(const std::string& key, const std::string& text) {
    Document document{.key = key, .segments = {}};
    document.segments.push_back({"text", text, {}, {}});
    return document;
  }

  // Two collections; a picture used twice under two names.
  void write_example() {
    DocumentWriter writer(folder(), false);
    Document pair{.key = "fox", .free_order = true, .segments = {}};
    pair.segments.push_back({"text", "a red \"fox\"\n\xF0\x9F\xA6\x8A", {"animal", "red"}, {}});
    pair.segments.push_back({"image", "", {}, writer.add_media("fox.png", "picture bytes")});
    writer.add("pets", "train", pair);
    Document same{.key = "fox2", .segments = {}};
    same.segments.push_back({"image", "", {}, writer.add_media("fox2.png", "picture bytes")});
    same.segments.push_back({"speech", "", {}, writer.add_media("fox2.wav", std::string(1000, 's'))});
    writer.add("pets", "test", same);
    writer.set_skipped(3);
    writer.commit();
  }
  Path folder() const { return root_ / "documents"; }

  size_t entries_in_root() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(root_), {}));
  }

  // The message of the InputError that reading everything gives; "" when there is none.
  std::string reading_error() const {
    try {
      DocumentReader reader(folder());
      for (const Collection& collection : reader.collections())
        reader.for_each(collection, [&](const Document& document) {
          for (const Segment& segment : document.segments)
            if (segment.modality != "text") reader.read_media(segment.media);
        });
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  // As another program writes it: no checksum speaks before the reader has seen what is wrong.
  void forget_checksums() const {
    Json manifest = read_json(folder() / "dataset.json");
    manifest.erase("hash");
    for (Json& collection : manifest["collections"]) collection.erase("sha256");
    publish_json(folder() / "dataset.json", manifest);
  }

  void replace_in(const std::string& file, const std::string& from, const std::string& to) {
    std::string content = read_file(folder() / file);
    size_t at = content.find(from);
    ASSERT_NE(at, std::string::npos);
    publish_file(folder() / file, content.replace(at, from.size(), to));
  }

  Path root_;
};

TEST_F(DocumentTest, RoundTrip) {
  write_example();
  DocumentReader reader(folder());
  EXPECT_EQ(reader.skipped(), 3u);
  ASSERT_EQ(reader.collections().size(), 2u);
  const Collection& train = reader.collections()[1];
  EXPECT_EQ(train.file, "train-pets.jsonl");
  EXPECT_EQ(train.num_documents, 1u);
  EXPECT_EQ(train.num_segments, (std::map<std::string, uint64_t>{{"image", 1}, {"text", 1}}));
  reader.for_each(train, [&](const Document& document) {
    EXPECT_EQ(document.key, "fox");
    EXPECT_TRUE(document.free_order);
    ASSERT_EQ(document.segments.size(), 2u);
    EXPECT_EQ(document.segments[0].text, "a red \"fox\"\n\xF0\x9F\xA6\x8A");
    EXPECT_EQ(document.segments[0].keywords, (std::vector<std::string>{"animal", "red"}));
    EXPECT_EQ(reader.read_media(document.segments[1].media), "picture bytes");
  });
  reader.for_each(reader.collections()[0], [&](const Document& document) {
    EXPECT_FALSE(document.free_order);
    EXPECT_EQ(document.segments[1].modality, "speech");
    EXPECT_EQ(reader.read_media(document.segments[1].media), std::string(1000, 's'));
  });
}

TEST_F(DocumentTest, TitlesOfItsSourcesAreKept) {
  DocumentWriter writer(folder(), false);
  writer.add("pets", "validation", text_document("fox", "a red fox"));
  writer.add("wild", "validation", text_document("elk", "an elk"));
  writer.set_titles({{"pets", "pets of people"}, {"birds", "not in this folder"}});
  writer.commit();
  EXPECT_EQ(DocumentReader(folder()).titles(),
            (std::map<std::string, std::string>{{"pets", "pets of people"}}));
  forget_checksums();
  replace_in("dataset.json", "\"pets of people\"", "5");
  EXPECT_NE(reading_error().find("a title as a string"), std::string::npos) << reading_error();
}

TEST_F(DocumentTest, SecondsOfSpeechAreKeptAndAddedUp) {
  DocumentWriter writer(folder(), false);
  for (const char* key : {"a", "b", "c"}) {
    Document document{.key = key, .segments = {}};
    document.segments.push_back(
        {"speech", "", {}, writer.add_media("a.wav", key), key[0] == 'c' ? 0 : 1.2504});
    writer.add("pets", "train", document);
  }
  writer.commit();
  const DocumentReader reader(folder());
  const Collection& collection = reader.collections()[0];
  EXPECT_DOUBLE_EQ(collection.speech_seconds, 2.5);
  std::vector<double> seconds;
  reader.for_each(collection,
                  [&](const Document& document) { seconds.push_back(document.segments[0].seconds); });
  EXPECT_EQ(seconds, (std::vector<double>{1.25, 1.25, 0}));
  replace_in("train-pets.jsonl", "\"seconds\":1.25", "\"seconds\":-1");
  EXPECT_NE(reading_error().find("train-pets.jsonl:1: expected \"seconds\""), std::string::npos)
      << reading_error();
}

TEST_F(DocumentTest, FreeOrderIsForOneSegmentOfAModality) {
  const auto document_of = [](const std::vector<std::string>& modalities) {
    Document document{.key = "k", .free_order = true, .segments = {}};
    for (const std::string& modality : modalities)
      document.segments.push_back({modality, "", {}, {"m.tar", 0, 0}});
    return document;
  };
  DocumentWriter writer(folder(), false);
  writer.add("a", "train", document_of({"speech", "image", "text"}));
  writer.add("b", "train", document_of({"speech"}));
  EXPECT_THROW(writer.add("c", "train", document_of({"text", "image", "text"})), InputError);
  writer.commit();
  EXPECT_EQ(DocumentReader(folder()).collections().size(), 2u);
  replace_in("train-a.jsonl", "\"image\"", "\"speech\"");
  EXPECT_NE(reading_error().find("train-a.jsonl:1: expected one segment of a modality"), std::string::npos)
      << reading_error();
}

TEST_F(DocumentTest, SameBytesAreStoredOnce) {
  write_example();
  std::string tar = read_file(folder() / "media-00000.tar");
  size_t first = tar.find("picture bytes");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(tar.find("picture bytes", first + 1), std::string::npos);
}

TEST_F(DocumentTest, SameDocumentsGiveSameBytes) {
  write_example();
  std::string manifest = read_file(folder() / "dataset.json"), tar = read_file(folder() / "media-00000.tar");
  std::filesystem::remove_all(folder());
  write_example();
  EXPECT_EQ(read_file(folder() / "dataset.json"), manifest);
  EXPECT_EQ(read_file(folder() / "media-00000.tar"), tar);
}

TEST_F(DocumentTest, NothingIsLeftOfAnUnfinishedWriter) {
  {
    DocumentWriter writer(folder(), false);
    writer.add("a", "train", text_document("k", "text"));
  }
  EXPECT_EQ(entries_in_root(), 0u);
  DocumentWriter empty(folder(), false);
  EXPECT_THROW(empty.commit(), InputError);
}

TEST_F(DocumentTest, WriterRefusesKeysUsedTwiceBadTextAndBadNames) {
  DocumentWriter writer(folder(), false);
  writer.add("a", "train", text_document("k", "text"));
  EXPECT_THROW(writer.add("a", "train", text_document("k", "other")), InputError);
  EXPECT_NO_THROW(writer.add("b", "train", text_document("k", "other")));
  EXPECT_THROW(writer.add("a", "train", text_document("bad", "\xFF")), InputError);
  EXPECT_THROW(writer.add("a/b", "train", text_document("k", "text")), UserError);
  EXPECT_THROW(writer.add("a", "train", Document{.key = "none", .segments = {}}), InputError);
}

TEST_F(DocumentTest, EachSourceAndSplitHasAFileOfItsOwn) {
  DocumentWriter writer(folder(), false);
  writer.add("tame_1.0-pets", "train", text_document("k", "text"));
  try {
    writer.add("pets", "train-tame_1.0", text_document("k", "text"));
    ADD_FAILURE() << "two sources in train-tame_1.0-pets.jsonl";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "source name: expected a name that gives a new file, found 'pets'; choose another name");
  }
  for (const std::string name : {"", ".pets", "my pets"})
    EXPECT_THROW(writer.add(name, "train", text_document("k", "text")), UserError) << name;
}

TEST_F(DocumentTest, ReaderTellsFileAndLine) {
  write_example();
  EXPECT_EQ(reading_error(), "");
  replace_in("train-pets.jsonl", "\"text\":", "\"texts\":");
  EXPECT_NE(reading_error().find("train-pets.jsonl:1"), std::string::npos) << reading_error();
}

// tests/train/damage_test.cpp has every bit.
TEST_F(DocumentTest, ChecksumsFindWhatIsAsGoodAsBefore) {
  write_example();
  replace_in("media-00000.tar", "picture bytes", "picture bytez");
  EXPECT_NE(reading_error().find("media-00000.tar: byte 512: expected the content that its document states"),
            std::string::npos)
      << reading_error();
  replace_in("media-00000.tar", "picture bytez", "picture bytes");
  replace_in("train-pets.jsonl", "a red", "a bed");
  EXPECT_NE(reading_error().find("train-pets.jsonl: expected the content that dataset.json states"),
            std::string::npos)
      << reading_error();
  replace_in("dataset.json", "\"skipped\": 3", "\"skipped\": 2");
  EXPECT_NE(reading_error().find("dataset.json: expected content with the hash"), std::string::npos)
      << reading_error();
  forget_checksums();
  EXPECT_EQ(reading_error(), "");
}

TEST_F(DocumentTest, ReaderRefusesMediaOutsideTheTarOrTheFolder) {
  write_example();
  forget_checksums();
  replace_in("train-pets.jsonl", "\"bytes\":13", "\"bytes\":99999999");
  EXPECT_NE(reading_error().find("media-00000.tar: byte"), std::string::npos) << reading_error();
  replace_in("train-pets.jsonl", "\"bytes\":99999999",
             "\"bytes\":1000000000000000000");  // refused before allocating
  EXPECT_NE(reading_error().find("media-00000.tar: byte"), std::string::npos) << reading_error();
  replace_in("train-pets.jsonl", "media-00000.tar", "../secret.tar");
  EXPECT_NE(reading_error().find("file name in the same folder"), std::string::npos) << reading_error();
}

TEST_F(DocumentTest, ReaderTellsMissingDocumentsAndForeignFolders) {
  write_example();
  forget_checksums();
  publish_file(folder() / "test-pets.jsonl", "");
  EXPECT_NE(reading_error().find("expected 1 documents, found 0"), std::string::npos) << reading_error();
  replace_in("dataset.json", "mom-documents", "mom-encoded");
  EXPECT_NE(reading_error().find("mom-documents"), std::string::npos);
  EXPECT_THROW(DocumentReader(root_ / "nowhere"), InputError);
}

}  // namespace
}  // namespace mom::data
