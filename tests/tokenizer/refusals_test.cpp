// What a tokenizer.json may ask for that we do not do, and files that are none: an InputError that names file and place.
#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "tests/tokenizer/tiny.h"

namespace mom::tokenizer {
namespace {

using test::tiny_tokenizer;

class Refusals : public testing::Test {
 protected:
  void refuse(const std::string& content, const std::string& words) const {
    const Path path = files_.write(content);
    try {
      const Tokenizer tokenizer(path);
      ADD_FAILURE() << "read: " << content.substr(0, 200);
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find(path.string()), std::string::npos) << message;
      EXPECT_NE(message.find(words), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
  }
  void refuse_at(const char* pointer, const Json& value, const std::string& words) const {
    Json json = tiny_tokenizer();
    json[Json::json_pointer(pointer)] = value;
    refuse(json.dump(), words);
  }
  test::TokenizerFolder files_;
};

TEST_F(Refusals, Components) {
  const Json byte_level = tiny_tokenizer()["pre_tokenizer"];
  refuse_at("/normalizer", {{"type", "NFKC"}}, "\"NFKC\"");
  refuse_at(
      "/normalizer",
      {{"type", "Sequence"}, {"normalizers", Json::array({{{"type", "NFC"}}, {{"type", "Lowercase"}}})}},
      "\"Lowercase\"");
  refuse_at("/normalizer", {{"type", "NFC"}, {"form", 1}}, "\"form\"");
  refuse_at("/pre_tokenizer", {{"type", "Whitespace"}}, "\"Whitespace\"");
  refuse_at("/pre_tokenizer", nullptr, "\"pre_tokenizer\"");
  refuse_at("/pre_tokenizer",
            {{"type", "Sequence"}, {"pretokenizers", Json::array({{{"type", "Digits"}}, byte_level})}},
            "\"pre_tokenizer\"");
  refuse_at("/pre_tokenizer/pattern", "x", "\"pattern\"");
  refuse_at("/post_processor", {{"type", "RobertaProcessing"}}, "\"RobertaProcessing\"");
  refuse_at("/decoder", {{"type", "Metaspace"}}, "\"Metaspace\"");
  refuse_at("/decoder", nullptr, "\"decoder\"");
  refuse_at("/truncation", {{"max_length", 5}}, "\"truncation\"");
  refuse_at("/padding", {{"strategy", "BatchLongest"}}, "\"padding\"");
  refuse_at("/version", "2.0", "\"version\"");
  refuse_at("/chat", Json::object(), "\"chat\"");
}

TEST_F(Refusals, Model) {
  refuse_at("/model/type", "WordPiece", "\"WordPiece\"");
  refuse_at("/model/dropout", 0.1, "\"dropout\"");
  refuse_at("/model/continuing_subword_prefix", "##", "\"continuing_subword_prefix\"");
  refuse_at("/model/end_of_word_suffix", "</w>", "\"end_of_word_suffix\"");
  refuse_at("/model/ignore_merges", 1, "\"ignore_merges\"");
  refuse_at("/model/extra", 1, "\"extra\"");
  refuse_at("/model/merges", Json::array({Json::array({"a", "b", "c"})}), "two tokens");
  refuse_at("/model/merges", Json::array({"ab"}), "two tokens");
  refuse_at("/model/merges", Json::array({Json::array({"t", "~~"})}), "\"~~\"");
  refuse_at("/model/merges", Json::array({Json::array({"a", "b"})}), "\"ab\"");
  refuse_at("/model/merges", {{"a", "b"}}, "\"merges\"");
  refuse_at("/model/vocab/a", -1, "\"a\"");
  refuse_at("/model/vocab/a", int64_t{1} << 40, "\"a\"");
  refuse_at("/model/vocab/a", "7", "\"a\"");
  refuse_at("/model/vocab/a", 'b', "\"b\"");
  Json json = tiny_tokenizer();
  json["model"]["vocab"].erase(std::string(letter_of_byte(0)));
  json["added_tokens"] = Json::array();
  refuse(json.dump(), "byte 0");
}

TEST_F(Refusals, AddedTokens) {
  refuse_at("/added_tokens/0/id", 17, "\"<end>\"");
  refuse_at("/added_tokens/0/content", "", "\"content\"");
  refuse_at("/added_tokens/0/special", 1, "\"special\"");
  refuse_at("/added_tokens/0/lstrip", nullptr, "\"lstrip\"");
  refuse_at("/added_tokens/0/surprise", true, "\"surprise\"");
  refuse_at("/added_tokens", 3, "\"added_tokens\"");
  Json json = tiny_tokenizer();
  json["added_tokens"].push_back(json["added_tokens"][0]);
  refuse(json.dump(), "once");
  json = tiny_tokenizer();  // one letter, written in two ways
  json["added_tokens"][0].update({{"content", "\u03a9"}, {"normalized", true}});
  json["added_tokens"][1].update({{"content", "\u2126"}, {"normalized", true}});
  refuse(json.dump(), "twice");
}

TEST_F(Refusals, Templates) {
  const auto processor = [](const Json& single, int id) {
    return Json{{"type", "TemplateProcessing"},
                {"single", single},
                {"pair", Json::array()},
                {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {id}}, {"tokens", {"<s>"}}}}}}};
  };
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json special = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const Json other = {{"SpecialToken", {{"id", "<t>"}, {"type_id", 0}}}};
  refuse_at("/post_processor", processor(Json::array({text, special}), 9999), "9999");
  refuse_at("/post_processor", processor(Json::array({special}), 3), "the text");
  refuse_at("/post_processor", processor(Json::array({text, text}), 3), "the text");
  refuse_at("/post_processor", processor(Json::array({text, other}), 3), "\"<t>\"");
}

TEST_F(Refusals, OtherFiles) {
  refuse("{", "JSON");
  refuse("[]", "\"model\"");
  refuse("{}", "\"model\"");
  refuse("{\"model\": 3}", "");
  const std::string whole = tiny_tokenizer().dump();
  for (size_t size = 0; size < whole.size(); size += 97) refuse(whole.substr(0, size), "");
}

}  // namespace
}  // namespace mom::tokenizer
