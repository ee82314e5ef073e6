// Classes of code points and the normal form NFC, as PyPI tokenizers has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mom::tokenizer {

enum : uint8_t {
  kLetter = 1,
  kNumber = 2,
  kSpace = 4,
  kWord = 8,          // letters, numbers, marks and connectors
  kNfcUnsure = 16,    // NFC may change it, or what is around it
  kNfcAttached = 32,  // NFC may join it with what is before it
};
uint8_t flags_of(char32_t code_point);

struct Character {
  char32_t code_point;
  size_t length;  // bytes
};
// The first character of well-formed UTF-8 that is not empty.
Character first_character(std::string_view text);
// The last one.
Character last_character(std::string_view text);

// `text` (well-formed UTF-8) in NFC: itself where it is so already, which is seen without copying it; else `buffer`.
std::string_view to_nfc(std::string_view text, std::string& buffer);

// Bytes that are not UTF-8 as U+FFFD, one for each maximal part of a character, as Unicode recommends and the
// reference's callers do. `text` itself where there are none.
std::string_view to_utf8(std::string_view text, std::string& buffer);

}  // namespace mom::tokenizer
