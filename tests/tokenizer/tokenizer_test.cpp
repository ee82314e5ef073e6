// What the oracle cannot be asked, and what should be seen without it (tests/e2e/tokenizer_test.py compares with PyPI tokenizers).
#include "mom/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/tokenizer/tiny.h"

namespace mom::tokenizer {
namespace {

using test::tiny_tokenizer;
using Ids = std::vector<int32_t>;

class TokenizerTest : public testing::Test {
 protected:
  Tokenizer make(const Json& json = tiny_tokenizer()) const { return Tokenizer(files_.write(json)); }
  static std::string decode(const Tokenizer& tokenizer, const Ids& ids) {
    std::string text;
    for (const int32_t id : ids) text += tokenizer.bytes_of(id);
    return text;
  }
  test::TokenizerFolder files_;
};

TEST_F(TokenizerTest, MergesWordsByRank) {
  const Tokenizer tokenizer = make();
  EXPECT_EQ(tokenizer.size(), 261);
  EXPECT_EQ(tokenizer.encode("the the then"), (Ids{257, 258, 258, 'n'}));
  EXPECT_EQ(tokenizer.encode("tthe"), (Ids{'t', 257}));
  EXPECT_EQ(tokenizer.encode(""), Ids{});
}

TEST_F(TokenizerTest, FindsAddedTokensInTheText) {
  const Tokenizer tokenizer = make();
  EXPECT_EQ(tokenizer.encode("<end>the<mark><end"), (Ids{259, 257, 260, '<', 'e', 'n', 'd'}));
  EXPECT_EQ(tokenizer.bytes_of(259), "");
  EXPECT_EQ(tokenizer.piece(259), "<end>");
  EXPECT_EQ(tokenizer.bytes_of(260), "<mark>");
}

TEST_F(TokenizerTest, NormalizesText) {
  const Tokenizer tokenizer = make();
  EXPECT_EQ(tokenizer.encode("e\xcc\x81"), (Ids{0xc3, 0xa9}));  // e and an acute are one letter
  EXPECT_EQ(decode(tokenizer, tokenizer.encode("e\xcc\x81")), "\xc3\xa9");
  Json json = tiny_tokenizer();
  json["normalizer"] = nullptr;
  EXPECT_EQ(make(json).encode("e\xcc\x81"), (Ids{'e', 0xcc, 0x81}));
}

TEST_F(TokenizerTest, ReadsOlderFiles) {  // as GPT-2's was published
  Json json = tiny_tokenizer();
  json["model"].erase("type");
  json["model"]["continuing_subword_prefix"] = json["model"]["end_of_word_suffix"] = "";
  json.erase("version");
  EXPECT_EQ(make(json).encode(" the"), Ids{258});
}

TEST_F(TokenizerTest, WhatIsNoUtf8CountsAsReplacementCharacters) {
  const Tokenizer tokenizer = make();
  EXPECT_EQ(decode(tokenizer, tokenizer.encode("a\xe2\x82z\xff\xf0\x9f\x98\x80\xc0\x80")),
            "a\xef\xbf\xbdz\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_F(TokenizerTest, ReadsTheTokensAroundAText) {
  Json json = test::tiny_tokenizer_with_bos();
  const Tokenizer tokenizer = make(json);
  EXPECT_EQ(tokenizer.before_text(), Ids{259});
  EXPECT_EQ(tokenizer.behind_text(), Ids{});
  EXPECT_EQ(tokenizer.encode("the"), Ids{257});
}

TEST_F(TokenizerTest, LongWordsTakeLittleTime) {
  const Tokenizer tokenizer = make();
  std::string word;
  for (int i = 0; i < 200'000; ++i) word += "the";
  const Ids ids = tokenizer.encode(word);
  EXPECT_EQ(ids, Ids(200'000, 257));
}

TEST_F(TokenizerTest, ManyWordsStayWithinTheCache) {
  const Tokenizer tokenizer = make();
  std::string text;
  for (int i = 0; i < 150'000; ++i) text += " x" + std::to_string(i);
  const Ids ids = tokenizer.encode(text);
  EXPECT_EQ(decode(tokenizer, ids), text);
  EXPECT_EQ(tokenizer.encode(text), ids);
}

TEST_F(TokenizerTest, SeveralThreadsEncodeAtOnce) {
  const Tokenizer tokenizer = make();
  std::vector<std::thread> threads;
  std::vector<Ids> found(8);
  for (Ids& ids : found)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        ids = tokenizer.encode("the end of the <end> of the " + std::to_string(i));
    });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : found) EXPECT_EQ(ids, tokenizer.encode("the end of the <end> of the 199"));
}

}  // namespace
}  // namespace mom::tokenizer
