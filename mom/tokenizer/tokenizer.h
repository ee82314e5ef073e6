// Text <-> ids as PyPI tokenizers does with the same tokenizer.json (which: tokenizer_file.h). Order of work: added
// tokens on the text as it is, normalization, other added tokens, words, bytes, merges.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"
#include "mom/tokenizer/added_tokens.h"
#include "mom/tokenizer/byte_pairs.h"
#include "mom/tokenizer/tokenizer_file.h"

namespace mom::tokenizer {

class Tokenizer {
 public:
  explicit Tokenizer(const Path& file);  // InputError: one that cannot be read exactly

  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }  // one above the largest id
  // Without the tokens that the file puts around a text. Bytes that are not UTF-8 count as U+FFFD. Several threads may.
  std::vector<int32_t> encode(std::string_view text) const;
  const std::vector<int32_t>& before_text() const { return file_.before; }
  const std::vector<int32_t>& behind_text() const { return file_.behind; }
  // Of an id below size(): what it decodes to, nothing for specials and ids without a token; and the token as the file
  // has it. Bytes of several ids together may be UTF-8 where those of one are not.
  const std::string& bytes_of(int32_t id) const { return tokens_[static_cast<size_t>(id)].bytes; }
  const std::string& piece(int32_t id) const { return tokens_[static_cast<size_t>(id)].piece; }
  const TokenizerFile& file() const { return file_; }

 private:
  struct Token {
    std::string piece, bytes;
  };
  // Words that were merged before; as many caches as threads encode at once.
  class CacheLoan;

  void add_added_tokens(const std::string& where);
  void encode_plain(std::string_view text, BytePairs::Cache& cache, std::vector<int32_t>& ids) const;
  void encode_words(std::string_view text, BytePairs::Cache& cache, std::vector<int32_t>& ids) const;

  TokenizerFile file_;
  std::vector<Token> tokens_;  // by id
  std::unique_ptr<BytePairs> byte_pairs_;
  AddedTokenFinder as_it_is_, normalized_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<BytePairs::Cache>> caches_;  // not in use now
};

}  // namespace mom::tokenizer
