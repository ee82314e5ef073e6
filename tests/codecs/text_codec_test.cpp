#include "mom/codecs/text_codec.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/base/utf8.h"
#include "mom/codecs/text_codec_train.h"
#include "mom/modality/special_tokens.h"
#include "tests/support/temp_folder.h"

namespace mom::codecs {
namespace {

std::vector<TextSource> sample_sources() {
  TextSource prose{"prose", {}}, captions{"captions", {}};
  for (int i = 0; i < 200; ++i) {
    const std::string number = std::to_string(i * 37 % 101);
    prose.texts.push_back("The house number " + number +
                          " stands beside the river,\nand  the bridge leads over it.\n\n");
    captions.texts.push_back("red apple " + number + ": fruit, red, \xf0\x9f\x8d\x8e");
  }
  return {prose, captions};
}

void train(const Path& out, int64_t vocabulary = 400) {
  TextCodecConfig config;
  config.vocabulary = vocabulary;
  train_text_codec(config, sample_sources(), sample_sources(), out, false);
}

class TextCodecTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    train(*folder_ / "codec");
    codec_ = new TextCodec(*folder_ / "codec");
  }
  static void TearDownTestSuite() {
    delete codec_;
    delete folder_;
  }
  static void expect_round_trip(const std::string& text) {
    EXPECT_EQ(codec_->decode(codec_->encode(text)), text) << testing::PrintToString(text);
  }
  static inline test::TempFolder* folder_ = nullptr;
  static inline TextCodec* codec_ = nullptr;
};

void append_utf8(std::string& text, uint32_t code) {
  const auto put = [&](uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xe0 | code >> 12);
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
    }
    put(0x80 | (code >> 6 & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

// Characters that tokenizers trip over, and any others.
uint32_t draw_code(RandomStream& random) {
  constexpr uint32_t kHard[] = {' ',     ' ',     '\n',   '\t',   '\r',   0,      0x2581,
                                0x2585,  0x2047,  0xfeff, 0xa0,   0x3000, 0x200d, 0xfffd,
                                0x1f34e, 0x1f468, 0x301,  0xfb01, '<',    '>'};
  switch (random.below(4)) {
    case 0:
      return kHard[random.below(std::size(kHard))];
    case 1:
      return 'a' + static_cast<uint32_t>(random.below(26));
    case 2:
      return static_cast<uint32_t>(random.below(0xd800));
    default:
      return 0xe000 + static_cast<uint32_t>(random.below(0x110000 - 0xe000));
  }
}

TEST_F(TextCodecTest, AnyUtf8ComesBackExactly) {
  RandomStream random(17);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (uint64_t left = random.below(24); left > 0; --left) append_utf8(text, draw_code(random));
    expect_round_trip(text);
  }
}

TEST_F(TextCodecTest, AnyBytesComeBackExactly) {
  RandomStream random(18);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (uint64_t left = random.below(24); left > 0; --left)
      text += static_cast<char>(random.below(2) ? random.below(256) : 'a');
    expect_round_trip(text);
  }
}

TEST_F(TextCodecTest, WhitespaceComesBackExactly) {
  for (const char* text : {"", " ", "  ", " a", "a ", "  a  b  ", "\n", "\n\n a\n", "\ta\r\n",
                           "a\xe2\x96\x81 b", "\xe2\x96\x81"}) {
    expect_round_trip(text);
  }
}

TEST_F(TextCodecTest, ControlSymbolsHaveTheirIdsAndNeverComeOutOfText) {
  EXPECT_EQ(codec_->vocabulary(), 400);
  EXPECT_EQ(codec_->piece(modality::special::kPad), "<pad>");
  EXPECT_EQ(codec_->piece(modality::special::kBos), "<s>");
  EXPECT_EQ(codec_->piece(modality::special::kEos), "</s>");
  EXPECT_EQ(codec_->piece(modality::special::kBoi), "<boi>");
  EXPECT_EQ(codec_->piece(modality::special::kEosSpeech), "<eos_speech>");
  for (int32_t id = 0; id < modality::special::kCount; ++id) {
    const std::string typed = "a" + codec_->piece(id) + " " + codec_->piece(id);
    for (int32_t token : codec_->encode(typed)) EXPECT_GE(token, modality::special::kCount) << typed;
    expect_round_trip(typed);
    EXPECT_EQ(codec_->decode({id}), "");
  }
  for (const char* typed : {"<0xE2>", "<unk>", "\xe2\x81\x87"}) {
    for (int32_t token : codec_->encode(typed)) EXPECT_GE(token, modality::special::kCount) << typed;
    expect_round_trip(typed);
  }
}

TEST_F(TextCodecTest, LearnedPiecesShortenTheText) {
  EXPECT_LE(codec_->encode(" house number").size(), 6u);
  EXPECT_EQ(codec_->encode("\n").size(), 1u);
}

TEST_F(TextCodecTest, ReportsHeldOutTokensPerByteBySource) {
  const Json& rate = codec_->info().report["tokens_per_byte"];
  EXPECT_GT(rate["prose"].get<double>(), 0.02);
  EXPECT_LT(rate["prose"].get<double>(), 0.6);
  EXPECT_TRUE(rate.contains("captions"));
}

TEST_F(TextCodecTest, RefusesTokensOutOfRange) {
  EXPECT_THROW(codec_->decode({400}), InputError);
  EXPECT_THROW(codec_->decode({-1}), InputError);
}

TEST_F(TextCodecTest, SameInputSameCodec) {
  train(*folder_ / "again");
  EXPECT_EQ(read_codec_info(*folder_ / "again").hash, codec_->info().hash);
  train(*folder_ / "larger", 401);
  EXPECT_NE(read_codec_info(*folder_ / "larger").hash, codec_->info().hash);
}

TEST_F(TextCodecTest, ATextTooPoorForItsVocabularyGetsASmallerOne) {
  testing::internal::CaptureStderr();
  train(*folder_ / "poor", 100'000);
  const std::string said = testing::internal::GetCapturedStderr();
  const TextCodec codec(*folder_ / "poor");
  const std::string pieces = std::to_string(codec.vocabulary());
  EXPECT_GT(codec.vocabulary(), 400);
  EXPECT_LT(codec.vocabulary(), 2000);
  EXPECT_EQ(codec.info().config["vocabulary"], codec.vocabulary());
  EXPECT_NE(said.find("text.vocabulary: the text gives " + pieces + " pieces, not 100000"), std::string::npos)
      << said;
  for (const TextSource& source : sample_sources())
    for (const std::string& text : source.texts) EXPECT_EQ(codec.decode(codec.encode(text)), text);
  train(*folder_ / "just", codec.vocabulary());
  EXPECT_EQ(read_codec_info(*folder_ / "just").hash, codec.info().hash);
}

TEST_F(TextCodecTest, TheSmallestTexts) {
  int number = 0;
  for (const std::string text : {"a", "aaaa", "red apple", "\xf0\x9f\x8d\x8e"}) {
    const Path out = *folder_ / ("small-" + std::to_string(number++));
    train_text_codec({}, {{"source", {text}}}, {}, out, false);
    const TextCodec codec(out);
    for (const std::string& other : {text, std::string("something else, with \xc3\xa9")})
      EXPECT_EQ(codec.decode(codec.encode(other)), other);
  }
}

TEST_F(TextCodecTest, RefusesWhatCannotBeLearnedAndWritesNothing) {
  TextSource many{"many", {""}};
  for (uint32_t code = 0x4e00; code < 0x4f00; ++code) append_utf8(many.texts[0], code);
  TextCodecConfig config;
  config.vocabulary = 300;
  try {
    train_text_codec(config, {many}, {}, *folder_ / "many", false);
    FAIL();
  } catch (const UserError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("text.vocabulary"), std::string::npos) << message;
    EXPECT_EQ(message.find("required_chars"), std::string::npos) << message;  // SentencePiece's own
  }
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "many"));
  EXPECT_THROW(train_text_codec({}, {}, {}, *folder_ / "none", false), UserError);
}

TEST_F(TextCodecTest, AnEditedFolderIsRefused) {
  const auto refuse = [&](const char* name, const auto& edit) {
    const Path copy = *folder_ / name;
    std::filesystem::copy(*folder_ / "codec", copy, std::filesystem::copy_options::recursive);
    EXPECT_NO_THROW(read_codec_info(copy));
    edit(copy);
    EXPECT_THROW(read_codec_info(copy), InputError) << name;
  };
  refuse("model", [](const Path& copy) {
    std::string model = read_file(copy / "tokenizer.model");
    model[model.size() / 2] ^= 1;
    test::write_file(copy / "tokenizer.model", model);
  });
  refuse("config", [](const Path& copy) {
    std::string info = read_file(copy / "codec.json");
    info.replace(info.find("\"vocabulary\": 400"), 17, "\"vocabulary\": 401");
    test::write_file(copy / "codec.json", info);
  });
  refuse("added", [](const Path& copy) { test::write_file(copy / "more", "x"); });
  refuse("removed", [](const Path& copy) { std::filesystem::remove(copy / "tokenizer.model"); });
}

TEST(Utf8, LengthFollowsTheUnicodeTable) {
  EXPECT_EQ(utf8_length("a"), 1u);
  EXPECT_EQ(utf8_length("\xc3\xa9"), 2u);
  EXPECT_EQ(utf8_length("\xe2\x96\x81x"), 3u);
  EXPECT_EQ(utf8_length("\xf0\x9f\x8d\x8e"), 4u);
  for (const char* bad : {"", "\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80", "\xe2\x96",
                          "\xc3"
                          "a"}) {
    EXPECT_EQ(utf8_length(bad), 0u) << testing::PrintToString(bad);
  }
}

}  // namespace
}  // namespace mom::codecs
