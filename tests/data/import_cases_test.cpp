// Files as people have them: what exporters, archivers and file systems do to names, links, captions and lines. Nothing
// is lost without a word.
#include <sys/stat.h>

#include <cmath>
#include <cstdlib>
#include <map>

#include "tests/data/import_fixture.h"

namespace mom::data {
namespace {

class ImportCases : public ImportTest {
 protected:
  void shell(const std::string& command) {
    ASSERT_EQ(std::system(("cd '" + root_.string() + "' && " + command).c_str()), 0) << command;
  }
  Files shard(const std::string& text) {
    return {{"000.txt", text + " 0"}, {"000.png", png(1)}, {"001.txt", text + " 1"}, {"001.png", png(2)}};
  }
};

TEST_F(ImportCases, HardLinksInATarHaveTheirTargetsContent) {
  make_folder({{"a.png", png(1)},
               {"a.txt", "one"},
               {"b.txt", "two"},
               {"z.json", R"({"segments": [{"text": "z"}]})"}});
  shell("ln pets/a.png pets/b.png && ln pets/a.txt pets/c.txt && ln pets/b.png pets/c.png");
  for (const std::string format : {"gnu", "ustar", "pax"}) {
    shell("tar --sort=name --format=" + format + " -cf " + format + ".tar -C pets . && gzip -k " + format +
          ".tar");
    for (const std::string ending : {".tar", ".tar.gz"}) {
      EXPECT_EQ(skipping({root_ / (format + ending)}), Lines());
      EXPECT_EQ(result(), (Lines{"a*: one [image]", "b*: two [image]", "c*: one [image]", "z: z"}));
    }
  }
}

TEST_F(ImportCases, SymbolicLinksInATar) {
  make_folder({{"real/a.png", png(1)}, {"b.txt", "b"}, {"c.txt", "c"}});
  shell(
      "ln -s real/a.png pets/b.png && ln -s b.png pets/c.png && ln -s real pets/again && ln -s ../gone.png "
      "pets/d.png && "
      "ln -s loop.png pets/loop.png && ln -s b.txt pets/real/a.txt && tar --sort=name -cf t.tar -C pets .");
  expect_error(root_ / "t.tar", {"t.tar: d.png", "a link to a file in the tar", "one to '../gone.png'"});
  EXPECT_EQ(skipping({root_ / "t.tar"}),
            (Lines{"folder_link t.tar: again", "dead_link t.tar: d.png", "dead_link t.tar: loop.png",
                   "dead_link t.tar: real/a.txt", "incomplete t.tar: sample 'real/a'"}));
  EXPECT_EQ(result(), (Lines{"b*: b [image]", "c*: c [image]"}));
}

TEST_F(ImportCases, OtherEntriesOfATar) {
  make_folder(
      {{"a.txt", "a"}, {"a.png", png(1)}, {"b.txt", "b"}, {".hidden.png", "x"}, {"__MACOSX/._a.png", "x"}});
  shell(
      "mkfifo pets/pipe && head -c 300000 /dev/zero > pets/b.bin && truncate -s 3000000 pets/b.bin && "
      "printf end >> pets/b.bin && cp --sparse=always pets/b.bin pets/sparse.bin && "
      "cp pets/a.png pets/b.png && truncate -s 2000000 pets/b.png && printf '\\0' >> pets/b.png && "
      "tar --sort=name -S --format=gnu --label=label -cf t.tar -C pets .");
  EXPECT_EQ(skipping({root_ / "t.tar"}),
            (Lines{"hidden t.tar: .hidden.png", "hidden t.tar: __MACOSX/._a.png", "special t.tar: pipe",
                   "other_kind t.tar: b.bin", "other_kind t.tar: sparse.bin"}));
  EXPECT_EQ(result(), (Lines{"a*: a [image]", "b*: b [image]"})) << "a sparse image is whole";
}

TEST_F(ImportCases, TarsAndLinesInATarAreNamed) {
  const Path tar = make_tar({{"a.txt", "t"}, {"inner.tar", "x"}, {"l.JSONL", "{}"}});
  expect_error(tar, {"pets.tar: inner.tar", "unpack the outer tar"});
  EXPECT_EQ(skipping({tar}), (Lines{"nested pets.tar: inner.tar", "nested pets.tar: l.JSONL"}));
}

TEST_F(ImportCases, NamesThatAreNotUtf8) {
  const std::string cafe = "caf\xE9";
  make_folder(
      {{cafe + ".png", png(1)}, {cafe + ".txt", "c"}, {"d\xFF/x.png", "broken"}, {"d\xFF/x.txt", "t"}});
  EXPECT_EQ(skipping({root_ / "pets"}), (Lines{"unusable pets: sample 'd\\xff/x'"}));
  EXPECT_EQ(result(), (Lines{"caf\\xe9*: c [image]"}));
  for (const std::string format : {"gnu", "ustar", "pax"}) {
    shell("tar --sort=name --format=" + format + " -cf " + format + ".tar -C pets .");
    const Lines left_out = skipping({root_ / (format + ".tar")});
    EXPECT_EQ(left_out.size(), 1u) << format;
    EXPECT_EQ(result().size(), 1u) << format;
    EXPECT_NE(result()[0].find("*: c [image]"), std::string::npos) << result()[0];
  }
  make_file("\xE9t\xE9.jsonl", R"({"text": "t"})");
  make_file("\xE9t\xE9.txt", "plain");
  skipping({root_ / "\xE9t\xE9.jsonl", root_ / "\xE9t\xE9.txt"});
  EXPECT_EQ(result(), (Lines{"\\xe9t\\xe9:1: t", "\\xe9t\\xe9: plain"}));
}

TEST_F(ImportCases, ALongTextIsSplit) {
  std::string text;
  for (int i = 0; text.size() < 3'500'000; ++i)
    text += "Paragraph " + std::to_string(i) + (i % 50 == 49 ? ".\n\n" : ", and so on. ");
  const Path file = make_file("long.txt", text);
  import(file);
  std::string joined;
  const Lines documents = result();
  ASSERT_EQ(documents.size(), 4u);
  for (size_t i = 0; i < documents.size(); ++i) {
    const std::string key = "long:" + std::to_string(i + 1) + ": ";
    EXPECT_TRUE(documents[i].starts_with(key)) << documents[i].substr(0, 40);
    EXPECT_LE(documents[i].size(), (1u << 20) + key.size());
    EXPECT_EQ(documents[i].compare(key.size(), 10, "Paragraph "), 0) << "cut at a paragraph";
    joined += (i > 0 ? "\n\n" : "") + documents[i].substr(key.size());
  }
  EXPECT_EQ(joined, text.substr(0, text.find_last_not_of(" \n") + 1));
  // Without any place to cut at: between characters. In a folder and by paragraphs, too.
  std::string solid;
  while (solid.size() < 2'500'000) solid += "\xC3\xA9";
  make_file("solid/s.txt", solid + "x");
  for (const bool paragraphs : {false, true}) {
    ImportOptions given = options(root_ / "solid");
    given.replace = true;
    given.paragraphs = paragraphs;
    import_documents(given);
    joined.clear();
    for (const std::string& line : result()) joined += line.substr(line.find(": ") + 2);
    EXPECT_EQ(joined, solid + "x");
  }
  make_file("bad.txt", text + "\xE9" + text);
  std::filesystem::remove_all(root_ / "out" / "documents");
  expect_error(root_ / "bad.txt", {"bad.txt: byte " + std::to_string(text.size()), "UTF-8"});
}

TEST_F(ImportCases, ALineTooLongForReadersIsRefused) {
  const std::string words((size_t{64} << 20) - 20, 'w');
  const Path file = make_file("long.jsonl", R"({"text": "a"})"
                                            "\n{\"text\": \"" +
                                                words + "\"}\n{\"text\": \"" + words + words +
                                                "\"}\n"
                                                R"({"text": "b"})");
  EXPECT_EQ(skipping({file}), (Lines{"unusable long.jsonl:2", "unusable long.jsonl:3"}));
  EXPECT_EQ(result(), (Lines{"long:1: a", "long:4: b"}));
}

TEST_F(ImportCases, MediaOfOtherKindsNeverLeaveTheirCaptionBehind) {
  for (const std::string name : {"a.mp4", "a.HEIC", "a.m4a", "a.tiff", "a.webm"}) {
    const Path tar = make_tar({{"a.txt", "a caption"}, {name, "x"}});
    expect_error(tar, {"sample 'a'", name, "convert it"});
    expect_error(make_folder({{"a.txt", "a caption"}, {name, "x"}}), {"sample 'a'", name, "convert it"});
    std::filesystem::remove_all(root_ / "pets");
  }
  // Named as nothing in particular, and an image.
  expect_error(make_folder({{"a.txt", "a caption"}, {"a.dat", png(1)}}), {"sample 'a'", "a.dat", "PNG"});
  expect_error(make_folder({{"a.txt", "a caption"}, {"a", png(1)}}), {"sample 'a'", "name it so"});
  std::filesystem::remove_all(root_ / "pets");
  const Path folder =
      make_folder({{"a.txt", "a"}, {"a.png", png(1)}, {"a.mp4", "x"}, {"b.mov", "x"}, {"c.txt", "c"}});
  EXPECT_EQ(skipping({folder}), (Lines{"extra_media pets/a.mp4", "unread_media pets: sample 'b'",
                                       "incomplete pets: sample 'c'"}));
  EXPECT_EQ(result(), (Lines{"a*: a [image]"}));
}

TEST_F(ImportCases, DotsInNames) {
  const Files pairs = {{"IMG_2021.05.07.png", png(1)},    {"IMG_2021.05.07.txt", "first"},
                       {"IMG_2021.05.08.png", png(2)},    {"IMG_2021.05.08.txt", "second"},
                       {"track 2.0 (clean).png", png(3)}, {"track 2.0 (clean).txt", "third"}};
  EXPECT_EQ(import(make_folder(pairs)).num_documents, 3u);
  EXPECT_EQ(result(), (Lines{"IMG_2021.05.07*: first [image]", "IMG_2021.05.08*: second [image]",
                             "track 2.0 (clean)*: third [image]"}));
  std::filesystem::remove_all(root_ / "out" / "documents");
  expect_error(make_tar(pairs),
               {"sample 'IMG_2021'", "IMG_2021.05.07.txt and IMG_2021.05.08.txt", "first dot"});
  EXPECT_EQ(skipping({root_ / "pets.tar"}), (Lines{"collision pets.tar: sample 'IMG_2021'"}));
  EXPECT_EQ(result(), (Lines{"track 2*: third [image]"}));
}

TEST_F(ImportCases, TextsWithDotsInNames) {
  const Files texts = {{"chapter.1.txt", "one"}, {"chapter.2.txt", "two"}, {"notes.v1.0.txt", "three"}};
  import(make_folder(texts));
  EXPECT_EQ(result(), (Lines{"chapter.1: one", "chapter.2: two", "notes.v1.0: three"}));
  std::filesystem::remove_all(root_ / "out" / "documents");
  expect_error(make_tar(texts), {"sample 'chapter'", "chapter.1.txt and chapter.2.txt"});
}

TEST_F(ImportCases, ACaptionOfOneImageIsNotThatOfAnother) {
  expect_error(make_tar({{"a.1.png", png(1)}, {"a.1.txt", "one"}, {"a.2.png", png(2)}}),
               {"sample 'a'", "a.1.txt and a.2.png"});
}

TEST_F(ImportCases, SeveralImagesKeepTheirOrder) {
  import(
      make_tar({{"a.right.png", png(1)}, {"a.left.png", png(2)}, {"a.txt", "stereo"}, {"a.1.wav", wav(9)}, {
                  "a.2.wav",
                  wav(9)
                }}));
  EXPECT_EQ(result(), (Lines{"a: stereo [image] [image] [speech] [speech]"}));
  DocumentReader reader(root_ / "out" / "documents");
  reader.for_each(reader.collections()[0], [&](const Document& document) {
    EXPECT_EQ(reader.read_media(document.segments[1].media), png(1));
    EXPECT_EQ(reader.read_media(document.segments[2].media), png(2));
  });
}

TEST_F(ImportCases, CaptionsInOtherFiles) {
  import(make_tar({{"a.png", png(1)},
                   {"a.json", R"({"caption": "of a json", "url": "u"})"},
                   {"b.png", png(2)},
                   {"b.json", R"({"text": "of a text", "caption": null})"},
                   {"c.png", png(3)},
                   {"c.caption", "of a caption"},
                   {"d.png", png(4)},
                   {"d.txt", "of a txt"},
                   {"d.json", R"({"caption": "not this"})"},
                   { "d.cls",
                     "7" }}));
  EXPECT_EQ(result(), (Lines{"a*: of a json [image]", "b*: of a text [image]", "c*: of a caption [image]",
                             "d*: of a txt [image]"}));
  EXPECT_EQ(left_out(), (Lines{"other_kind pets.tar: d.cls", "metadata pets.tar: d.json"}));
  std::filesystem::remove_all(root_ / "out" / "documents");
  const auto fails = [&](const std::string& json, const Lines& parts) {
    expect_error(make_tar({{"a.png", png(1)}, {"a.json", json}}), parts);
  };
  fails(R"({"caption": "one", "text": "other"})", {"a.json", "which differ", ".txt"});
  fails(R"({"caption": ["one", "two"]})", {"a.json", "\"caption\" as a string"});
  fails(R"({"caption": " "})", {"a.json", "nothing but blanks"});
  fails(R"({"title": "t"})", {"image a.png without caption", "a.json has no \"caption\""});
  fails(R"({"caption": )", {"a.json"});
  expect_error(make_tar({{"a.png", png(1)}, {"a.txt", "a"}, {"b.json", R"({"caption": "lost"})"}}),
               {"sample 'b'", "caption b.json without image"});
  expect_error(make_tar({{"a.png", png(1)}, {"a.txt", "a"}, {"b.json", R"({"text": "lost"})"}}),
               {"sample 'b'", "caption b.json without image"});
  expect_error(make_tar({{"a.png", png(1)}, {"a.txt", "a"}, {"a.caption", "b"}}), {"a.txt and a.caption"});
}

TEST_F(ImportCases, MetadataAloneIsNoSample) {
  EXPECT_EQ(
      skipping({make_folder({{"00000_stats.json", R"({"count": 1})"}, {"a.png", png(1)}, {"a.txt", "a"}})}),
      (Lines{"metadata pets/00000_stats.json"}));
}

TEST_F(ImportCases, ImagesOfADocumentMayHaveCaptionsOfTheirOwn) {
  import(make_folder({{"a.png", png(1)},
                      {"a.txt", "a"},
                      {"s.json", R"({"segments": [{"text": "see", "image": null}, {"image": "a.png"}]})"},
                      { "l.jsonl",
                        R"({"text": "line", "image": "a.png"})" }}));
  EXPECT_EQ(result(), (Lines{"l:1*: line [image]", "a*: a [image]", "s: see [image]"}));
}

TEST_F(ImportCases, KeysAreUniqueWithinATarOnly) {
  for (const std::string number : {"000000", "000001"}) {
    std::filesystem::create_directories(root_ / "shards");
    make_tar(shard("s" + number), "shards/shard-" + number + ".tar");
  }
  const Lines expected = {"shard-000000/000*: s000000 0 [image]", "shard-000000/001*: s000000 1 [image]",
                          "shard-000001/000*: s000001 0 [image]", "shard-000001/001*: s000001 1 [image]"};
  const std::vector<std::pair<std::vector<Path>, std::string>> ways = {
      {{root_ / "shards"}, "shards"},
      {{root_ / "shards/shard-000000.tar", root_ / "shards/shard-000001.tar"}, "shard"},
      {{root_ / "shards/shard-{000000..000001}.tar"}, "shard"},
      {{root_ / "shards/{shard-000000,shard-000001}.tar"}, "shard"}};
  for (const auto& [sources, name] : ways) {
    EXPECT_EQ(skipping(sources), Lines());
    EXPECT_EQ(result(), expected);
    const DocumentReader reader(root_ / "out" / "documents");
    ASSERT_EQ(reader.collections().size(), 1u);
    EXPECT_EQ(reader.collections()[0].source, name);
  }
  std::filesystem::remove_all(root_ / "out" / "documents");
  expect_error(root_ / "shards/shard-{000000..000002}.tar", {"shard-000002.tar", "found nothing"});
}

TEST_F(ImportCases, FilesOfOneNameInTwoFolders) {
  for (const std::string folder : {"x", "y"}) {
    make_file(folder + "/data.jsonl", R"({"text": "line"})");
    make_file(folder + "/pets/a.txt", "text");
    make_tar({{"k.txt", "t"}}, folder + "/t.tar");
  }
  EXPECT_EQ(skipping({root_ / "x/data.jsonl", root_ / "y/data.jsonl", root_ / "x/pets", root_ / "y/pets",
                      root_ / "x/t.tar", root_ / "y/t.tar"}),
            Lines());
  EXPECT_EQ(result().size(), 6u);
}

TEST_F(ImportCases, KeysUsedTwiceAreNamed) {
  make_file("l.jsonl", R"({"key": "k", "text": "one"})"
                       "\n"
                       R"({"key": "k", "text": "two"})");
  expect_error(root_ / "l.jsonl", {"l.jsonl:2", "a key used once in source 'l'", "'k'"});
  EXPECT_EQ(skipping({root_ / "l.jsonl"}), (Lines{"collision l.jsonl:2"}));
}

TEST_F(ImportCases, CompressedLinesAndNulls) {
  make_folder({{"a.jsonl", R"({"text": "plain", "image": null, "speech": null, "key": null})"},
               {"b.JSONL", R"({"segments": null, "text": "upper"})"},
               {"sub/a.jsonl", R"({"text": "same stem", "keywords": null, "free_order": null})"},
               {"c.jsonl", R"({"text": "packed"})"},
               {"d.jsonl", R"({"text": "joined"})"
                           "\n"}});
  shell(
      "cd pets && gzip c.jsonl && gzip -c d.jsonl > e.jsonl.gz && gzip -c d.jsonl >> e.jsonl.gz && zstd -q "
      "--rm d.jsonl");
  const Lines left_out = skipping({root_ / "pets"});
  EXPECT_EQ(left_out, Lines());
  EXPECT_EQ(result(), (Lines{"a:1: plain", "b:1: upper", "c:1: packed", "d:1: joined", "e:1: joined",
                             "e:2: joined", "sub/a:1: same stem"}));
}

TEST_F(ImportCases, DamagedCompressedLines) {
  std::string lines;
  for (int i = 0; i < 20000; ++i) lines += "{\"text\": \"line " + std::to_string(i * 7919) + "\"}\n";
  make_file("l.jsonl", lines);
  shell("gzip -k l.jsonl && head -c 30000 l.jsonl.gz > cut.jsonl.gz");
  expect_error(root_ / "cut.jsonl.gz", {"cut.jsonl.gz", "--skip-bad"});
  EXPECT_EQ(skipping({root_ / "cut.jsonl.gz"}), (Lines{"damaged cut.jsonl.gz"}));
  EXPECT_GT(result().size(), 1000u);
}

TEST_F(ImportCases, ACaptionWhoseImageHasAnotherKeyIsRefused) {
  make_file("a.png", png(1));
  expect_error(make_file("l.jsonl", R"({"text": "a caption", "file_name": "a.png"})"),
               {"l.jsonl:1", "\"file_name\": \"a.png\"", "rename the key"});
  // Also where it is inside of a list or an object.
  for (const char* line :
       {R"({"text": "t", "images": ["a.png"]})", R"({"text": "t", "image_files": {"left": "a.png"}})",
        R"({"text": "t", "messages": [{"role": "user", "content": [{"type": "image", "image": "a.png"}]}]})"})
    expect_error(make_file("l.jsonl", line), {"l.jsonl:1", "media under", "{\"image\": \"a.png\"}"});
  import(make_file(
      "l.jsonl",
      R"({"text": "t", "url": "b.png", "key": "a.png", "others": ["b.png", 5, null, {"c": "d.wav"}]})"));
  EXPECT_EQ(result(), (Lines{"a.png: t"}));
  EXPECT_EQ(skipping({make_file("l.jsonl", R"({"text": "t"})"
                                           "\n{\"text\": \"long\", \"image\": \"" +
                                               std::string(5000, 'n') + ".png\"}")}),
            (Lines{"unusable l.jsonl:2"}));
}

TEST_F(ImportCases, LinksInAFolder) {
  make_folder({{"real/a.png", png(1)}, {"real/a.txt", "a"}, {"b.txt", "b"}});
  make_file("other/c.txt", "c");
  make_file("other/c.png", png(2));
  shell(
      "cd pets && ln -s real/a.png b.png && ln -s real again && ln -s ../other linked && ln -s .. up && "
      "ln -s . self && ln -s gone.png d.png && ln -s loop loop && mkfifo pipe && touch .DS_Store");
  expect_error(root_ / "pets", {"pets/d.png", "a link to nothing"});
  const Lines left = skipping({root_ / "pets"});
  EXPECT_EQ(left, (Lines{"hidden pets/.DS_Store", "dead_link pets/d.png", "dead_link pets/loop",
                         "special pets/pipe", "folder_link pets/again", "folder_link pets/self",
                         "folder_link pets/up/other", "folder_link pets/up/pets"}));
  EXPECT_EQ(result(), (Lines{"b*: b [image]", "linked/c*: c [image]", "real/a*: a [image]"}));
}

TEST_F(ImportCases, TheResultIsNoSource) {
  make_file("a.txt", "a");
  ImportOptions given = options(root_);
  given.out = root_ / "documents";
  for (int i = 0; i < 2; ++i) {
    const ImportSummary summary = import_documents(given);
    EXPECT_EQ(summary.num_documents, 1u);
    EXPECT_EQ(summary.left_out.num_all(), 0u);
    given.replace = true;
  }
}

TEST_F(ImportCases, UpperCaseAndEmptyFiles) {
  EXPECT_EQ(skipping({make_folder({{"A.TXT", "a"},
                                   {"A.JPG", png(1)},
                                   {"B.Json", R"({"segments": [{"text": "b"}]})"},
                                   {"c.txt", ""},
                                   {"c.png", png(1)},
                                   {"d.txt", "d"},
                                   {"d.png", ""},
                                   {"e.jsonl", ""},
                                   {"f.tar", ""},
                                   {"G.TGZ", "no tar"},
                                   {"h.json", ""}})}),
            (Lines{"damaged pets/G.TGZ", "unusable pets/e.jsonl", "damaged pets/f.tar",
                   "unusable pets: sample 'c'", "unusable pets: sample 'd'", "unusable pets: sample 'h'"}));
  EXPECT_EQ(result(), (Lines{"A*: a [image]", "B: b"}));
  skipping({make_file("T.TXT", "t"), make_file("L.JSONL", R"({"text": "l"})")});
  EXPECT_EQ(result(), (Lines{"L:1: l", "T: t"}));
}

TEST_F(ImportCases, StrictStopsAtAnythingLeftOut) {
  ImportOptions strict = options(make_folder({{"a.txt", "a"}, {"a.png", png(1)}, {"readme.md", "x"}}));
  strict.strict = true;
  expect_error(strict, {"pets/readme.md", "of another kind", "--strict"});
  std::filesystem::remove(root_ / "pets/readme.md");
  make_file("pets/.hidden", "x");
  expect_error(strict, {"pets/.hidden", "hidden", "--strict"});
  std::filesystem::remove(root_ / "pets/.hidden");
  EXPECT_EQ(import_documents(strict).num_documents, 1u);
  strict.skip_bad = true;
  EXPECT_THROW(import_documents(strict), UserError);
}

TEST_F(ImportCases, ALineSaysWhatWasLeftOut) {
  const Path folder =
      make_folder({{"a.txt", "a"}, {"a.png", png(1)}, {"x.md", "x"}, {"y.md", "y"}, {".z", "z"}});
  testing::internal::CaptureStderr();
  import(folder);
  const std::string log = testing::internal::GetCapturedStderr();
  for (const char* part :
       {"imported 1 document; left out: 2 of another kind (", "pets/x.md, ...), 1 hidden (", "pets/.z)",
        "left_out.jsonl", "no validation split", "--validation"})
    EXPECT_NE(log.find(part), std::string::npos) << log;
  testing::internal::CaptureStderr();
  skipping({make_file("t.txt", "t")});
  EXPECT_NE(testing::internal::GetCapturedStderr().find("imported 1 document; nothing was left out"),
            std::string::npos);
}

TEST_F(ImportCases, ValidationIsAShareByHashOfTheKey) {
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += "{\"key\": \"k" + std::to_string(i) + "\", \"text\": \"t\"}\n";
  ImportOptions given = options(make_file("l.jsonl", lines));
  std::map<std::string, std::string> before;
  for (const double share : {0.02, 0.1}) {
    given.validation = share;
    given.replace = true;
    import_documents(given);
    const DocumentReader reader(given.out);
    ASSERT_EQ(reader.collections().size(), 2u);
    std::map<std::string, std::string> splits;
    uint64_t num_validation = 0;
    for (const Collection& collection : reader.collections()) {
      if (collection.split == "validation") num_validation = collection.num_documents;
      reader.for_each(collection, [&](const Document& document) { splits[document.key] = collection.split; });
    }
    EXPECT_EQ(splits.size(), 5000u);
    EXPECT_NEAR(static_cast<double>(num_validation), 5000 * share, 4 * std::sqrt(5000 * share));
    for (const auto& [key, split] : before)
      EXPECT_TRUE(split == "train" || splits.at(key) == split) << "a larger share keeps those of a smaller";
    before = splits;
  }
  for (const double share : {0.0, 1.0, -1.0, double{NAN}}) {
    given.validation = share;
    EXPECT_THROW(import_documents(given), UserError);
  }
  given.validation = 0.1;
  given.split = "test";
  EXPECT_THROW(import_documents(given), UserError);
}

}  // namespace
}  // namespace mom::data
