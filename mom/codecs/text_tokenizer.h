// Text <-> ids, whatever file they come from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"

namespace mom::codecs {

// Several threads may use it at once.
class TextTokenizer {
 public:
  virtual ~TextTokenizer() = default;
  virtual int64_t size() const = 0;  // one above the largest id
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
  // What an id below size() decodes to: its part of the text, which may end within a character, or nothing for specials.
  virtual const std::string& bytes_of(int32_t id) const = 0;
  virtual std::string piece(int32_t id) const = 0;  // as its file writes it
};

// The tokenizer beside a model of others, its ids as they are: tokenizer.model (SentencePiece), in its absence
// tokenizer.json (mom/tokenizer). Null: neither. InputError: one that cannot be used.
std::unique_ptr<TextTokenizer> open_tokenizer(const Path& model_folder);
// What that tokenizer puts before a text: SentencePiece where tokenizer_config.json has "add_bos_token", tokenizer.json by
// its post-processor. InputError: more than that one token.
std::optional<int32_t> first_token(const TextTokenizer& tokenizer, const Path& model_folder);

}  // namespace mom::codecs
