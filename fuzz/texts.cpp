// Texts: JSON, tokenizer files, and what they tokenize.
#include "fuzz/targets.h"
#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/tokenizer/tokenizer.h"
#include "mom/tokenizer/unicode.h"
#include "tests/tokenizer/tiny.h"

namespace mom::fuzz {
namespace {

void read_json_text(std::string_view bytes) {
  const Json json = parse_json(bytes, "text");
  expect(parse_json(json.dump(), "copy") == json, "JSON that was written is what was read");
}

std::vector<std::string> json_seeds() {
  return {
      R"({"a": [1, -2.5e3, true, null, "x\u00e9\ud83d\ude00"], "b": {"c": {}}, "d": 12345678901234567890})",
      "[]"};
}

void read_tokenizer(std::string_view bytes) {
  const MemoryFile file(bytes);
  const tokenizer::Tokenizer tokenizer(file.path());
  for (const int32_t id : tokenizer.encode("the 12 discs\xF0\x9F\x98\x80 <end>"))
    expect(id >= 0 && id < tokenizer.size(), "an id of the vocabulary");
}

std::vector<std::string> tokenizer_seeds() { return {test::tiny_tokenizer().dump()}; }

// Without a normal form what was tokenized comes back.
void tokenize(std::string_view bytes) {
  static const tokenizer::Tokenizer tokenizer = [] {
    Json json = test::tiny_tokenizer();
    json["normalizer"] = nullptr;
    json["added_tokens"] = Json::array();
    const std::string text = json.dump();
    const MemoryFile file(text);
    return tokenizer::Tokenizer(file.path());
  }();
  std::string again, buffer;
  for (const int32_t id : tokenizer.encode(bytes)) again += tokenizer.bytes_of(id);
  expect(again == tokenizer::to_utf8(bytes, buffer), "the text of its tokens");
  std::string composed, twice;
  const std::string normal(tokenizer::to_nfc(again, composed));
  expect(tokenizer::to_nfc(normal, twice) == normal, "a normal form is its own");
}

std::vector<std::string> tokenize_seeds() {
  return {"the other 12 's\tA\xCC\x8A  \xEA\xB0\x80\xE1\x86\xA8", ""};
}

}  // namespace

std::vector<Target> text_targets() {
  return {{"json", read_json_text, json_seeds},
          {"tokenizer", read_tokenizer, tokenizer_seeds},
          {"tokenize", tokenize, tokenize_seeds}};
}

}  // namespace mom::fuzz
