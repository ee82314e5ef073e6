// A tokenizer.json (mom/tokenizer) as a model or a text codec uses it.
#pragma once

#include "mom/codecs/text_tokenizer.h"
#include "mom/tokenizer/tokenizer.h"

namespace mom::codecs {

class BytePairText : public TextTokenizer {
 public:
  static constexpr const char* kFile = "tokenizer.json";

  // `first_id`: the id of the file's id 0. Those before it are control symbols, which text never encodes to and which
  // decode to nothing.
  explicit BytePairText(const Path& file, int32_t first_id = 0) : tokenizer_(file), first_id_(first_id) {}

  int64_t size() const override { return first_id_ + tokenizer_.size(); }
  std::vector<int32_t> encode(std::string_view text) const override;
  const std::string& bytes_of(int32_t id) const override;
  std::string piece(int32_t id) const override;
  const tokenizer::TokenizerFile& file() const { return tokenizer_.file(); }

 private:
  const tokenizer::Tokenizer tokenizer_;
  const int32_t first_id_;
};

}  // namespace mom::codecs
