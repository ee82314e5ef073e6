// Dictionaries: dictd's index, and articles as plain text.
#include "mom/quickstart/dictionary.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "mom/base/error.h"

namespace mom::quickstart {
namespace {

TEST(CleanGcide, DropsPronunciationMarksAndBraces) {
  EXPECT_EQ(clean_gcide("Auf \\Auf\\ ([add]f), n. [OE. auph. See {Elf}.]\n"
                        "   A changeling or elf\n"
                        "   child. [Obs.] --Drayton.\n"
                        "   [1913 Webster]\n"
                        "\n"
                        "   Syn: oaf\n"
                        "        [WordNet 1.5 +PJC]\n"),
            "Auf ([add]f), n. [OE. auph. See Elf.] A changeling or elf child. [Obs.] --Drayton.\nSyn: oaf");
}

TEST(CleanGcide, DropsTheNextHeadwordBehindTheLastMarkOnly) {
  EXPECT_EQ(clean_gcide("Eagle, n. A bird.\n   [1913 Webster] Tergeminal"), "Eagle, n. A bird.");
  EXPECT_EQ(clean_gcide("Eagle. [1913 Webster] It flies high."), "Eagle. It flies high.");
  EXPECT_EQ(clean_gcide("Eagle. [1913 Webster] so [Obs.] it seems"), "Eagle. so [Obs.] it seems");
}

TEST(CleanGcide, KeepsLoneBackslashAndBracket) {
  EXPECT_EQ(clean_gcide("a \\ b [c"), "a \\ b [c");
  EXPECT_EQ(clean_gcide(""), "");
}

TEST(CleanFoldoc, JoinsProseAndKeepsProgramText) {
  EXPECT_EQ(clean_foldoc("comment\n\n   <programming> Text in {source}\n   code, e.g.\n\n    infd = "
                         "open();\n    close();\n\n   (2007-02-19)\n\n"),
            "comment\n<programming> Text in source code, e.g.\ninfd = open();\nclose();\n(2007-02-19)");
}

class DictionaryTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = Path(testing::TempDir()) / ("mom-dictionary-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(root_);
    publish_file(root_ / "d.dict",
                 "about\nCat \\Cat\\ n.\n  It purrs.\nDog\nthe market\x92s fa\xE7"
                 "ade");
    ASSERT_EQ(std::system(("gzip -f '" + (root_ / "d.dict").string() + "'").c_str()), 0);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::vector<Article> read(const std::string& index) {
    publish_file(root_ / "d.index", index);
    return read_dictionary(root_ / "d.index", root_ / "d.dict.gz");
  }
  Path root_;
};

TEST_F(DictionaryTest, ReadsArticlesInOrderAndRepairsStrayBytes) {
  // Offsets 0, 6, 31 and lengths 6, 25, 23 in base 64.
  auto articles = read("00-database-info\tA\tG\ndog\tf\tX\ncat\tG\tZ\nkitten\tG\tZ\n");
  ASSERT_EQ(articles.size(), 2u);
  EXPECT_EQ(articles[0].headword, "Cat");
  EXPECT_EQ(articles[0].text, "Cat \\Cat\\ n.\n  It purrs.\n");
  EXPECT_EQ(articles[1].headword, "Dog");
  EXPECT_EQ(articles[1].text,
            "Dog\nthe market's fa\xC3\xA7"
            "ade");
}

TEST_F(DictionaryTest, BadIndexNamesTheLine) {
  for (const char* line : {"dog\tf\tz\n", "dog\tf\n", "dog\t!\tB\n", "dog\t////////\t////////\n"}) {
    try {
      read(std::string("cat\tG\tZ\n") + line);
      ADD_FAILURE() << "no error for " << line;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("d.index:2"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace mom::quickstart
