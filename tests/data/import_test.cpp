// Import: each kind of source made here and read back; each kind of bad input told by name, with nothing left
// behind.
#include "tests/data/import_fixture.h"

#include <cstdlib>

#include "mom/data/inspect.h"
#include "mom/data/split.h"
#include "tests/support/read_image.h"

namespace mom::data {
namespace {

TEST_F(ImportTest, WebDatasetTar) {
  Path tar = make_tar({{"a/cat.txt", "a cat\n"},
                       {"a/cat.png", png(1)},
                       {"a/dog.PNG", png(2)},
                       {"a/dog.txt", "a dog"},
                       {"a/dog.wav", wav(100)},
                       {"a/dog.json", "{\"width\": 5}"},
                       {"a/owl.wav", wav(50)},
                       {"a/owl.txt", "an owl"}});
  EXPECT_EQ(import(tar).num_documents, 3u);
  EXPECT_EQ(result(),
            (Lines{"a/cat*: a cat [image]", "a/dog*: a dog [image] [speech]", "a/owl*: an owl [speech]"}));
}

TEST_F(ImportTest, CompressedTarGivesTheSame) {
  Path tar = make_tar({{"cat.txt", "a cat"}, {"cat.png", png(1)}, {"cat.wav", wav(10)}});
  ASSERT_EQ(std::system(("gzip -k '" + tar.string() + "'").c_str()), 0);
  import(tar);
  Lines plain = result();
  std::filesystem::remove_all(root_ / "out" / "documents");
  import(root_ / "pets.tar.gz");
  EXPECT_EQ(result(), plain);
}

TEST_F(ImportTest, InterleavedSegments) {
  std::string json = R"({"segments": [{"text": "first", "keywords": ["k"]}, {"image": "story.0.png"},
                         {"text": "then"}, {"image": "story.1.png"}, {"speech": "story.wav"}, {"image": "story.0.png"}]})";
  Path tar = make_tar({{"s/story.json", json},
                       {"s/story.0.png", png(1)},
                       {"s/story.1.png", png(2)},
                       {"s/story.wav", wav(9)}});
  import(tar);
  EXPECT_EQ(result(), (Lines{"s/story: first [image] then [image] [speech] [image]"}));
}

TEST_F(ImportTest, FolderIsSortedAndHoldsOtherSources) {
  make_tar({{"inner.txt", "in a tar"}, {"inner.png", png(3)}}, "pets.tar");
  Path folder = make_folder({{"z.txt", "last"},
                             {"z.png", png(1)},
                             {"b/a.txt", "first"},
                             {"b/a.png", png(2)},
                             {".hidden.png", "x"},
                             {"list.jsonl", R"({"key": "named", "text": "by line", "image": "free.png"})"},
                             {"free.png", png(9)}});
  std::filesystem::rename(root_ / "pets.tar", folder / "more.tar");
  EXPECT_EQ(import(folder).num_documents, 4u);
  EXPECT_EQ(result(), (Lines{"named*: by line [image]", "more/inner*: in a tar [image]",
                             "b/a*: first [image]", "z*: last [image]"}));
}

TEST_F(ImportTest, FolderOfTextsOnly) {
  import(make_folder({{"b.txt", "two\n\nparagraphs"}, { "a.txt", "\xEF\xBB\xBFone" }}));
  EXPECT_EQ(result(), (Lines{"a: one", "b: two\n\nparagraphs"}));
}

TEST_F(ImportTest, JsonLines) {
  make_file("cat.png", png(1));
  Path file = make_file("lines.jsonl",
                        "{\"text\": \"only text\"}\n\n"
                        "{\"key\": \"k\", \"segments\": [{\"image\": \"cat.png\"}, {\"text\": \"after\"}]}\n"
                        "{\"text\": \"a cat\", \"image\": \"cat.png\", \"url\": \"ignored\"}\n");
  import(file);
  EXPECT_EQ(result(), (Lines{"lines:1: only text", "k: [image] after", "lines:4*: a cat [image]"}));
}

TEST_F(ImportTest, TextFileWholeAndByParagraph) {
  Path file = make_file("book.txt", "one\nstill one\n\n \ntwo\n");
  import(file);
  EXPECT_EQ(result(), (Lines{"book: one\nstill one\n\n \ntwo"}));
  ImportOptions by_paragraph = options(file);
  by_paragraph.paragraphs = by_paragraph.replace = true;
  import_documents(by_paragraph);
  EXPECT_EQ(result(), (Lines{"book:1: one\nstill one", "book:2: two"}));
}

TEST_F(ImportTest, SplitsByHashOfTheKey) {
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += "{\"key\": \"k" + std::to_string(i) + "\", \"text\": \"t\"}\n";
  ImportOptions by_hash = options(make_file("many.jsonl", lines));
  by_hash.split = "";
  import_documents(by_hash);
  DocumentReader reader(by_hash.out);
  EXPECT_EQ(reader.collections().size(), 3u);
  for (const Collection& collection : reader.collections())
    reader.for_each(collection, [&](const Document& document) {
      EXPECT_EQ(split_by_hash(document.key), collection.split);
    });
}

TEST_F(ImportTest, UnreadablePicture) {
  std::string cut = png(1);
  cut.resize(cut.size() / 2);
  expect_error(make_tar({{"ok.txt", "t"}, {"ok.png", png(1)}, {"bad.txt", "t"}, {"bad.png", cut}}),
               {"pets.tar", "sample 'bad'", "bad.png", "--skip-bad"});
  expect_error(make_folder({{"bad.txt", "t"}, {"bad.jpg", "no picture"}}),
               {"pets", "sample 'bad'", "bad.jpg"});
}

TEST_F(ImportTest, IncompleteSamples) {
  expect_error(make_tar({{"a.txt", "t"}, {"a.png", png(1)}, {"b.txt", "t"}}),
               {"pets.tar", "sample 'b'", "caption b.txt without image"});
  expect_error(make_folder({{"a.txt", "t"}, {"a.png", png(1)}, {"c.webp", png(2)}}),
               {"pets", "sample 'c'", "image c.webp without caption"});
  expect_error(make_tar({{"s.wav", wav(5)}}), {"sample 's'", "sound s.wav without text"});
  expect_error(make_tar({{"a.txt", "t"}, {"a.png", png(1)}, {"a.jpg", png(1)}}),
               {"sample 'a'", "a.png and a.jpg"});
}

TEST_F(ImportTest, BadText) {
  expect_error(make_tar({{"a.txt", "caf\xE9"}, {"a.png", png(1)}}),
               {"pets.tar", "sample 'a'", "a.txt: byte 3", "UTF-8"});
  expect_error(make_tar({{"a.txt", " \n"}, {"a.png", png(1)}}), {"sample 'a'", "nothing but blanks"});
  expect_error(make_file("x.jsonl", "{\"text\": \"good\"}\n{\"text\": \"caf\xE9\"}\n"), {"x.jsonl:2"});
  expect_error(make_file("m.jsonl", R"({"text": "t", "image": "gone.png"})"), {"m.jsonl:1", "gone.png"});
  expect_error(make_file("y.jsonl", "{\"text\": \"good\"}\n{\"text\": \n"), {"y.jsonl:2"});
}

TEST_F(ImportTest, BadSound) {
  expect_error(make_tar({{"a.txt", "t"}, {"a.wav", "no sound"}}), {"sample 'a'", "a.wav", "sound"});
  expect_error(make_tar({{"a.txt", "t"}, {"a.wav", wav(100).substr(0, 144)}}),
               {"sample 'a'", "a.wav", "ends before"});
  expect_error(make_tar({{"a.txt", "t"}, {"a.wav", wav(0)}}), {"sample 'a'", "a.wav", "none"});
  auto samples = test::sine(440, 16000, 100);
  samples[7] = NAN;
  expect_error(make_tar({{"a.txt", "t"},
                         {"a.wav", test::sound_file(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, samples)}}),
               {"sample 'a'", "a.wav: sample 7", "NaN"});
}

TEST_F(ImportTest, EveryKindOfSound) {
  const auto samples = test::sine(440, 44100, 22050, 0.5, 2);
  const auto kind = [&](int format) { return test::sound_file(format, 44100, 2, samples); };
  import(make_tar({{"a.txt", "a"},
                   {"a.flac", kind(SF_FORMAT_FLAC | SF_FORMAT_PCM_16)},
                   {"b.txt", "b"},
                   {"b.ogg", kind(SF_FORMAT_OGG | SF_FORMAT_VORBIS)},
                   {"c.txt", "c"},
                   {"c.mp3", kind(SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III)},
                   {"d.txt", "d"},
                   { "d.wav",
                     kind(SF_FORMAT_WAV | SF_FORMAT_FLOAT) }}));
  EXPECT_EQ(result(), (Lines{"a*: a [speech]", "b*: b [speech]", "c*: c [speech]", "d*: d [speech]"}));
  // Four times half a second, and what MP3 pads.
  const double seconds = inspect_json(root_ / "out" / "documents")["seconds"]["speech"].get<double>();
  EXPECT_NEAR(seconds, 2, 0.1);
  const std::string text = inspect_text(root_ / "out" / "documents", 1);
  EXPECT_NE(text.find("speech s"), std::string::npos) << text;
  EXPECT_NE(text.find("[speech 0.5 s]"), std::string::npos) << text;
}

TEST_F(ImportTest, FreeOrderIsForOneSegmentOfAModality) {
  make_file("cat.wav", wav(100));
  make_file("cat.png", png(1));
  const auto lines = [&](const std::string& segments) {
    return make_file("l.jsonl", R"({"key": "k", "free_order": true, "segments": [)" + segments + "]}");
  };
  import(lines(R"({"speech": "cat.wav"}, {"image": "cat.png"}, {"text": "t"})"));
  EXPECT_EQ(result(), (Lines{"k*: [speech] [image] t"}));
  std::filesystem::remove_all(root_ / "out" / "documents");
  expect_error(lines(R"({"speech": "cat.wav"}, {"text": "t"}, {"text": "u"})"),
               {"l.jsonl:1", "one segment of a modality"});
}

TEST_F(ImportTest, BadSegments) {
  auto error_of = [&](const std::string& json, const std::vector<std::string>& parts) {
    expect_error(make_tar({{"s.json", json}, {"s.0.png", png(1)}}), parts);
  };
  error_of(R"({"segments": [{"image": "other.png"}]})", {"sample 's'", "segment 0", "other.png"});
  error_of(R"({"segments": [{"text": "t"}, {"video": "v"}]})", {"sample 's'", "segment 1"});
  error_of(R"({"segments": []})", {"sample 's'", "at least one"});
  error_of(R"({"segments": [{"text": "t", "image": "s.0.png"}]})", {"segment 0", "both"});
  error_of(R"({"segments": )", {"sample 's'", "s.json"});
  error_of(R"({"title": "t"})", {"sample 's'", "\"segments\""});
}

TEST_F(ImportTest, TruncatedTar) {
  Path tar = make_tar(
      {{"a.txt", "t"}, {"a.png", png(1)}, {"b.txt", "t"}, {"b.png", png(2) + std::string(5000, 'x')}});
  std::filesystem::resize_file(tar, 4000);
  expect_error(tar, {"pets.tar"});
  ImportOptions skipping = options(tar);
  skipping.skip_bad = true;
  ImportSummary summary = import_documents(skipping);
  EXPECT_EQ(summary.num_documents, 1u);
  EXPECT_EQ(result(), (Lines{"a*: t [image]"}));
}

TEST_F(ImportTest, EmptyAndMissingSources) {
  std::filesystem::create_directories(root_ / "empty");
  expect_error(root_ / "empty", {"empty", "a folder with files"});
  expect_error(root_ / "nowhere", {"nowhere", "found nothing"});
  expect_error(make_file("empty.jsonl", ""), {"empty.jsonl"});
  expect_error(make_file("x.pdf", "x"), {"x.pdf", ".jsonl"});
  expect_error(make_tar({}), {"pets.tar"});
  expect_error(make_folder({{"readme.md", "x"}}), {"pets", "found none; left out: 1 of another kind"});
}

TEST_F(ImportTest, SkipBadCountsAndKeepsTheGood) {
  Path tar = make_tar({{"a.txt", "t"},
                       {"a.png", "broken"},
                       {"b.txt", "t"},
                       {"b.png", png(1)},
                       {"c.txt", "t"},
                       {"d.png", png(1)}});
  ImportOptions skipping = options(tar);
  skipping.skip_bad = true;
  testing::internal::CaptureStderr();
  ImportSummary summary = import_documents(skipping);
  std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(summary.num_documents, 1u);
  EXPECT_EQ(summary.num_skipped, 3u);
  EXPECT_EQ(inspect_json(skipping.out).dump(),
            R"({"documents":1,"segments":{"image":1,"text":1},"skipped":3})");
  for (const char* part : {"sample 'a'", "sample 'c'", "sample 'd'", "1 that cannot be used", "2 incomplete"})
    EXPECT_NE(log.find(part), std::string::npos) << log;
}

TEST_F(ImportTest, OnlyBadSamplesIsAnError) {
  ImportOptions skipping = options(make_tar({{"a.txt", "t"}, {"a.png", "broken"}}));
  skipping.skip_bad = true;
  expect_error(skipping, {"pets.tar", "found none; left out: 1 that cannot be used"});
}

TEST_F(ImportTest, FailureKeepsWhatWasThereBefore) {
  Path good = make_file("good.txt", "good");
  import(good);
  ImportOptions replacing = options(make_file("bad.jsonl", "broken"));
  EXPECT_THROW(import(good), UserError);  // not without --replace
  replacing.replace = true;
  EXPECT_THROW(import_documents(replacing), InputError);
  EXPECT_EQ(result(), (Lines{"good: good"}));
}

TEST_F(ImportTest, ContactSheetShowsThePictures) {
  import(make_tar({{"a.txt", "t"}, {"a.png", png(10)}, {"b.txt", "t"}, { "b.png", png(200) }}));
  write_contact_sheet(root_ / "out" / "documents", root_ / "sheet.png");
  formats::Image sheet = test::read_image(root_ / "sheet.png");
  EXPECT_EQ(sheet.width, 2 * 88 + 8);
  EXPECT_EQ(sheet.height, 96);
  auto pixel = [&](int64_t x, int64_t y) {
    return sheet.pixels[static_cast<size_t>((y * sheet.width + x) * 3)];
  };
  EXPECT_EQ(pixel(48, 48), 10);
  EXPECT_EQ(pixel(136, 48), 200);
}

}  // namespace
}  // namespace mom::data
