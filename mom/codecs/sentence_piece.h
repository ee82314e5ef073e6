// A SentencePiece model as it is, also one that was trained elsewhere: text <-> ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"

namespace mom::codecs {

class SentencePiece {
 public:
  explicit SentencePiece(const Path& model_file);  // InputError: not a SentencePiece model
  ~SentencePiece();
  SentencePiece(const SentencePiece&) = delete;
  SentencePiece& operator=(const SentencePiece&) = delete;

  int64_t size() const;
  std::vector<int32_t> encode(std::string_view text) const;  // of UTF-8
  // What an id decodes to: a piece with spaces for U+2581, one byte, or nothing for specials. Below size().
  const std::string& bytes_of(int32_t id) const;
  std::string piece(int32_t id) const;
  bool contains(std::string_view piece) const;
  int32_t id_of_byte(unsigned char byte) const;  // -1: the model has no byte fallback
  int32_t bos() const;                           // -1: none
  bool adds_space() const;                       // before a text
  float score(int32_t id) const;
  enum class Kind { kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };
  Kind kind(int32_t id) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mom::codecs
