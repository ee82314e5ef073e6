// A SentencePiece model as it is, also one that was trained elsewhere: text <-> ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mom/codecs/text_tokenizer.h"

namespace mom::codecs {

inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";  // SentencePiece writes a space as U+2581

class SentencePiece : public TextTokenizer {
 public:
  explicit SentencePiece(const Path& model_file);  // InputError: not a SentencePiece model
  ~SentencePiece() override;
  SentencePiece(const SentencePiece&) = delete;
  SentencePiece& operator=(const SentencePiece&) = delete;

  int64_t size() const override;
  std::vector<int32_t> encode(std::string_view text) const override;  // of UTF-8
  // A piece with spaces for U+2581, one byte, or nothing for specials.
  const std::string& bytes_of(int32_t id) const override;
  std::string piece(int32_t id) const override;
  bool is_byte(int32_t id) const;
  bool is_text(int32_t id) const;  // neither a byte nor a control symbol
  float score(int32_t id) const;   // pieces are made in the order of falling scores
  bool contains(std::string_view piece) const;
  int32_t id_of_byte(unsigned char byte) const;  // -1: the model has no byte fallback
  int32_t bos() const;                           // -1: none
  bool adds_space() const;                       // before a text
  enum class Kind { kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };
  Kind kind(int32_t id) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mom::codecs
