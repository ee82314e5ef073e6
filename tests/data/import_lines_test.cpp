// Lines of JSON and plain texts: what a line may hold, what is refused by file, line and key, and how texts are cut.
#include "tests/data/import_fixture.h"

namespace mom::data {
namespace {

class ImportLines : public ImportTest {
 protected:
  void refuse(const std::string& line, const Lines& parts) {
    Lines all = {"l.jsonl:1"};
    all.insert(all.end(), parts.begin(), parts.end());
    expect_error(make_file("l.jsonl", line), all);
  }
  Lines result_of(const std::string& name, const std::string& content, bool paragraphs = false) {
    ImportOptions given = options(make_file(name, content));
    given.replace = true;
    given.paragraphs = paragraphs;
    import_documents(given);
    return result();
  }
};

TEST_F(ImportLines, FieldsOfAnotherKind) {
  refuse("[]", {"an object, found array"});
  refuse("5", {"an object, found number"});
  refuse(R"({"text": 5})", {"\"text\" as a string"});
  refuse(R"({"text": "t", "image": 5})", {"\"image\" as a string"});
  refuse(R"({"text": "t", "key": 5})", {"\"key\" as a string"});
  refuse(R"({"text": "t", "key": ""})", {"\"key\" with at least one character, found an empty one"});
  refuse(R"({"text": "t", "keywords": "red"})", {"\"keywords\" as a list of strings, found \"red\""});
  refuse(R"({"text": "t", "keywords": ["red", 5]})", {"\"keywords\" as a list of strings", "[\"red\",5]"});
  refuse(R"({"text": "t", "keywords": {"a": "red"}})", {"\"keywords\" as a list of strings"});
  refuse(R"({"segments": {"text": "t"}})", {"\"segments\" as a list of at least one"});
  refuse(R"({"segments": "t"})", {"\"segments\" as a list of at least one, found \"t\""});
  refuse(R"({"segments": ["t"]})", {"segment 0", "an object with \"text\"", "\"t\""});
  refuse(R"({"segments": [{"text": "t"}, {"modality": 5}]})", {"segment 1", "\"modality\" as a string"});
  for (const char* said : {"\"yes\"", "1", "[true]"})
    refuse(R"({"text": "t", "free_order": )" + std::string(said) + "}",
           {"\"free_order\" as true or false, found " + std::string(said)});
  refuse(R"({"key": "k"})", {"\"segments\" or \"text\", found neither"});
}

TEST_F(ImportLines, MediaWithoutText) {
  make_file("a.png", png(1));
  refuse(R"({"image": "a.png"})", {"\"text\" beside image or sound", "use \"segments\" for media alone"});
  EXPECT_EQ(result_of("l.jsonl", R"({"segments": [{"image": "a.png"}]})"), (Lines{"l:1: [image]"}));
}

TEST_F(ImportLines, CodesOfOtherShapes) {
  const auto refuse_codes = [&](const std::string& codes, const std::string& expected) {
    refuse(R"({"segments": [{"modality": "music", "codes": )" + codes + "}]}", {"segment 0", expected});
  };
  refuse_codes("5", "\"codes\" as a list, found 5");
  refuse_codes("\"1, 2\"", "\"codes\" as a list");
  refuse_codes("[[]]", "\"codes\" as a list of integers, or of lists, found []");
  refuse_codes("[[[[1]]]]", "\"codes\" as a list of integers, or of lists, found [1]");
  refuse_codes("[[1, 2], 3]", "\"codes\" in lists of one length, found 3");
  refuse_codes("[[1, 2], [3, \"4\"]]", "\"codes\" of integers, found \"4\"");
  EXPECT_EQ(result_of("l.jsonl", R"({"segments": [{"modality": "music", "codes": [[[1]], [[2]]]}]})"),
            (Lines{"l:1: [music]"}));
}

TEST_F(ImportLines, OrderIsFreeWhereItMayBe) {
  EXPECT_EQ(
      result_of("l.jsonl",
                R"({"segments": [{"text": "t"}, {"modality": "music", "codes": [1]}], "free_order": true})"
                "\n"
                R"({"segments": [{"text": "t"}, {"modality": "music", "codes": [1]}], "free_order": false})"
                "\n"
                R"({"segments": [{"text": "t"}, {"text": "u"}], "free_order": false})"),
      (Lines{"l:1*: t [music]", "l:2: t [music]", "l:3: t u"}));
}

TEST_F(ImportLines, MediaUnderOtherKeysAreNotLost) {
  make_file("a.mp4", "a film");
  make_file("a.wav", wav(9));
  make_file("a.npy", "an array");
  refuse(R"({"text": "t", "film": "a.mp4"})", {"media under \"image\" or \"speech\"", "\"film\": \"a.mp4\""});
  refuse(R"({"text": "t", "sounds": {"left": ["b.wav", "a.wav"]}})",
         {"media under \"image\" or \"speech\"", "\"sounds\": {\"left\":", "{\"speech\": \"a.wav\"}"});
  make_file("a.png", png(1));
  refuse(R"({"text": "t", "pictures": ["a.png"]})", {"{\"image\": \"a.png\"}"});
  refuse(R"({"text": "t", "music": "a.npy"})", {"arrays in \"segments\"", "\"file\": \"a.npy\""});
  EXPECT_EQ(result_of("l.jsonl", R"({"text": "t", "music": "b.npy", "film": "b.mp4", "notes": "a.txt"})"),
            (Lines{"l:1: t"}));
}

TEST_F(ImportLines, NamesThatNoFileHas) {
  make_folder({{"x.txt", "x"}});
  for (const char* name : {"gone.png", "", "pets"})
    refuse(R"({"text": "t", "image": ")" + std::string(name) + "\"}", {"beside it, found none"});
  refuse(R"({"text": "t", "image": "a\u0000.png"})", {"expected a file 'a\\x00.png' beside it, found none"});
}

TEST_F(ImportLines, ParagraphsAreBetweenBlankLines) {
  EXPECT_EQ(result_of("book.txt", "\n\n one \n\n \t\n\ntwo\nlines\r\n\r\n\n", true),
            (Lines{"book:1: one", "book:2: two\nlines"}));
  std::filesystem::remove_all(root_ / "out" / "documents");
  ImportOptions blank = options(make_file("blank.txt", " \n\n\t\n"));
  blank.paragraphs = true;
  expect_error(blank, {"blank.txt: expected text, found nothing but blanks"});
}

TEST_F(ImportLines, ALongTextIsCutBetweenCharactersAndBlanksAreDropped) {
  // With one byte before them, characters of two bytes lie across every even place.
  std::string solid = "x";
  while (solid.size() < 2'200'000) solid += "\xC3\xA9";
  std::string joined;
  for (const std::string& line : result_of("solid.txt", solid)) joined += line.substr(line.find(": ") + 2);
  EXPECT_EQ(joined, solid);
  const std::string blanks(1'100'000, '\n');
  EXPECT_EQ(result_of("gap.txt", "before" + blanks + blanks + "after"),
            (Lines{"gap:1: before", "gap:2: after"}));
  std::filesystem::remove_all(root_ / "out" / "documents");
  expect_error(make_file("blank.txt", blanks), {"blank.txt: expected text, found nothing but blanks"});
}

TEST_F(ImportLines, LinesThatCannotBeUnpackedAtAll) {
  make_file("l.jsonl.gz", "no gzip");
  EXPECT_THROW(skipping({root_ / "l.jsonl.gz"}), InputError);
  EXPECT_EQ(skipping({root_ / "l.jsonl.gz", make_file("t.txt", "t")}), (Lines{"damaged l.jsonl.gz"}));
}

TEST_F(ImportLines, OptionsThatDoNotGoTogether) {
  const auto message_of = [](const ImportOptions& given) -> std::string {
    try {
      import_documents(given);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  };
  ImportOptions given = options(make_file("t.txt", "t"));
  given.split = "valid";
  EXPECT_EQ(message_of(given), "--split: expected train, validation or test, found 'valid'");
  given.sources.clear();
  EXPECT_EQ(message_of(given), "mom data import: expected at least one source");
}

TEST_F(ImportLines, NothingInSeveralSources) {
  ImportOptions given = options(make_file("a.jsonl", ""));
  given.sources.push_back(make_file("b.jsonl", "\n \n"));
  given.skip_bad = true;
  expect_error(given,
               {"a.jsonl, ", "b.jsonl: expected documents, found none; left out: 2 that cannot be used"});
}

TEST_F(ImportLines, AShareTooSmallToHoldOutAnythingIsSaid) {
  ImportOptions given = options(make_file("t.txt", "t"));
  given.split = "";
  given.validation = 1e-9;
  testing::internal::CaptureStderr();
  import_documents(given);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("no validation split"), std::string::npos) << log;
  EXPECT_NE(log.find("give '--validation' a larger share"), std::string::npos) << log;
}

}  // namespace
}  // namespace mom::data
