// Samples of folders and tars: which of a key's files are its document, its caption or nothing, and what is said of the rest.
#include "tests/data/import_fixture.h"

namespace mom::data {
namespace {

using ImportSamples = ImportTest;

constexpr const char* kStory = R"({"segments": [{"image": "a.png"}, {"text": "after"}]})";

TEST_F(ImportSamples, ADocumentTakesItsMediaAndTheRestIsNamed) {
  const Path folder = make_folder({{"a.json", kStory},
                                   {"a.png", png(1)},
                                   {"a.txt", "of the image"},
                                   {"a.wav", wav(9)},
                                   {"a.mp4", "x"},
                                   {"a.md", "x"}});
  EXPECT_EQ(skipping({folder}), (Lines{"other_kind pets/a.md", "not_named pets/a.txt", "not_named pets/a.wav",
                                       "not_named pets/a.mp4"}));
  EXPECT_EQ(result(), (Lines{"a: [image] after"}));
}

TEST_F(ImportSamples, SeveralJsonFilesOfOneKey) {
  EXPECT_EQ(
      skipping({make_tar({{"a.1.json", kStory}, {"a.2.json", R"({"caption": "c"})"}, {"a.png", png(1)}})}),
      (Lines{"metadata pets.tar: a.2.json"}));
  EXPECT_EQ(result(), (Lines{"a: [image] after"}));
  std::filesystem::remove_all(root_ / "out" / "documents");
  expect_error(make_tar({{"a.1.json", kStory}, {"a.2.json", kStory}, {"a.png", png(1)}}),
               {"sample 'a'", "files of one sample under a key, found a.1.json and a.2.json"});
  expect_error(make_tar({{"a.1.txt", "one"}, {"a.2.txt", "two"}}), {"sample 'a'", "a.1.txt and a.2.txt"});
}

TEST_F(ImportSamples, MediaAreBesideTheDocumentOrNamedFromTheTop) {
  import(
      make_folder({{"s/a.json", R"({"segments": [{"image": "a.png"}, {"image": "t/b.png"}, {"text": "x"}]})"},
                   {"s/a.png", png(1)},
                   { "t/b.png",
                     png(2) }}));
  EXPECT_EQ(result(), (Lines{"s/a: [image] [image] x"}));
  DocumentReader reader(root_ / "out" / "documents");
  reader.for_each(reader.collections()[0], [&](const Document& document) {
    EXPECT_EQ(reader.read_media(document.segments[0].media), png(1));
    EXPECT_EQ(reader.read_media(document.segments[1].media), png(2));
  });
}

TEST_F(ImportSamples, ShortDocumentsOfJson) {
  import(make_folder({{"a.json", R"({"text": "said", "speech": "sound.wav"})"}, { "sound.wav", wav(9) }}));
  EXPECT_EQ(result(), (Lines{"a*: said [speech]"}));
  std::filesystem::remove_all(root_ / "out" / "documents");
  std::filesystem::remove_all(root_ / "pets");
  import(make_folder({{ "b.json", R"({"text": "text alone"})" }}));
  EXPECT_EQ(result(), (Lines{"b: text alone"})) << "where nothing has media";
  std::filesystem::remove_all(root_ / "out" / "documents");
  expect_error(make_tar({{"c.json", "[1, 2]"}}), {"sample 'c'", "c.json: expected an object, found array"});
  expect_error(make_tar({{"c.json", R"({"image": "gone.png", "text": "t"})"}}),
               {"sample 'c'", "a file 'gone.png' beside it, found none"});
}

TEST_F(ImportSamples, CaptionsThatAgree) {
  import(make_tar({{"a.png", png(1)},
                   {"a.json", R"({"caption": "same", "text": "same"})"},
                   {"b.png", png(2)},
                   {"b.json", R"({"caption": "of b", "text": null})"},
                   {"c.left.png", png(3)},
                   {"c.right.png", png(4)},
                   {"c.txt", "both"},
                   {"d.png", png(5)},
                   { "d.1.txt",
                     "one image, whatever the caption's name" }}));
  EXPECT_EQ(result(), (Lines{"a*: same [image]", "b*: of b [image]", "c: both [image] [image]",
                             "d*: one image, whatever the caption's name [image]"}));
}

TEST_F(ImportSamples, MediaUnderAnyNameAreNotLost) {
  expect_error(make_folder({{"a.txt", "said"}, {"a.bin", wav(9)}}),
               {"sample 'a'", "a.bin", "media that are read here"});
  std::filesystem::remove_all(root_ / "pets");
  expect_error(make_folder({{"a.json", R"({"caption": "c"})"}, {"a.bin", png(1)}}),
               {"sample 'a'", "a.bin", "media that are read here, found a PNG image"});
  std::filesystem::remove_all(root_ / "pets");
  EXPECT_EQ(skipping({make_folder(
                {{"a.json", R"({"text": "t"})"}, {"a.bin", "nothing known"}, {"b.bin", png(1)}})}),
            (Lines{"other_kind pets/a.bin", "other_kind pets/b.bin"}));
  EXPECT_EQ(result(), (Lines{"a: t"}));
}

TEST_F(ImportSamples, HiddenFilesAndFolders) {
  const Lines hidden = skipping({make_folder({{"a.txt", "a"},
                                              {"__MACOSX/a.txt", "x"},
                                              {"sub/__MACOSX/b.txt", "x"},
                                              {"sub/.git/config", "x"},
                                              {"sub/.c.txt", "x"},
                                              {"my__MACOSX/d.txt", "d"}})});
  EXPECT_EQ(hidden, (Lines{"hidden pets/__MACOSX", "hidden pets/sub/.c.txt", "hidden pets/sub/.git",
                           "hidden pets/sub/__MACOSX"}));
  EXPECT_EQ(result(), (Lines{"a: a", "my__MACOSX/d: d"}));
  EXPECT_EQ(skipping({make_tar({{"a.txt", "a"}, {"x/__MACOSX/b.txt", "x"}, {"x/.c.txt", "x"}})}),
            (Lines{"hidden pets.tar: x/__MACOSX/b.txt", "hidden pets.tar: x/.c.txt"}));
}

TEST_F(ImportSamples, AFolderOfHiddenFilesAlone) {
  ImportOptions given = options(make_folder({{".a.txt", "a"}}));
  expect_error(given, {"pets: expected documents, found none; left out: 1 hidden"});
}

TEST_F(ImportSamples, NamesUsedTwiceInATar) {
  const Path tar = make_tar({{"a.txt", "first"}, {"a.txt", "second"}, {"b.txt", "b"}});
  expect_error(tar, {"pets.tar: a.txt", "a name used once in the tar, found a second member"});
  EXPECT_EQ(skipping({tar}), (Lines{"collision pets.tar: a.txt"}));
  EXPECT_EQ(result(), (Lines{"a: first", "b: b"}));
}

TEST_F(ImportSamples, WhatIsMadeBesideTheResultIsNoSource) {
  make_file("a.txt", "a");
  make_file(".documents.12345/b.txt", "half a result of a process that ended");
  make_file("documents.txt", "another file");
  ImportOptions given = options(root_);
  given.out = root_ / "documents/";
  EXPECT_EQ(import_documents(given).left_out.num_all(), 0u);
  const DocumentReader reader(root_ / "documents");
  Lines keys;
  reader.for_each(reader.collections().at(0),
                  [&](const Document& document) { keys.push_back(document.key); });
  EXPECT_EQ(keys, (Lines{"a", "documents"}));
}

TEST_F(ImportSamples, AnArrayWhoseNameSaysNoModality) {
  expect_error(make_folder({{"a.txt", "a"}, {"a.npy", "no array either"}}),
               {"sample 'a'", "a.npy", "media that are read here"});
}

}  // namespace
}  // namespace mom::data
