// A small tokenizer.json, whole and correct, for tests that change it.
#pragma once

#include <fstream>
#include <string>

#include "mom/base/json.h"
#include "mom/tokenizer/byte_alphabet.h"
#include "mom/tokenizer/tokenizer.h"
#include "tests/support/temp_folder.h"

namespace mom::test {

// Bytes are ids 0 to 255, "th" 256, "the" 257, " the" 258, "<end>" (special, added) 259, "<mark>" (added) 260.
inline Json tiny_tokenizer() {
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocabulary[std::string(tokenizer::letter_of_byte(static_cast<unsigned char>(byte)))] = byte;
  const std::string space(tokenizer::letter_of_byte(' '));
  vocabulary["th"] = 256;
  vocabulary["the"] = 257;
  vocabulary[space + "the"] = 258;
  const auto added = [](int id, const char* content, bool special) {
    return Json{{"id", id},        {"content", content}, {"single_word", false},  {"lstrip", false},
                {"rstrip", false}, {"special", special}, {"normalized", !special}};
  };
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", {added(259, "<end>", true), added(260, "<mark>", false)}},
          {"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"},
            {"vocab", vocabulary},
            {"merges", Json::array({Json::array({"t", "h"}), Json::array({"th", "e"}),
                                    Json::array({space, "the"})})}}}};
}

// The tiny one, which begins every text with "<end>", 259.
inline Json tiny_tokenizer_with_bos() {
  Json json = tiny_tokenizer();
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<end>"}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens", {{"<end>", {{"id", "<end>"}, {"ids", {259}}, {"tokens", {"<end>"}}}}}}};
  return json;
}

class TokenizerFolder {
 public:
  Path write(const std::string& content) const {
    const Path path = folder_ / "tokenizer.json";
    std::ofstream(path) << content;
    return path;
  }
  Path write(const Json& json) const { return write(json.dump()); }

 private:
  TempFolder folder_;
};

}  // namespace mom::test
