// UTF-8: the encoding of every text that enters `mom`.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mom {

// How `text` begins, by Unicode 15's table 3-7 (no overlong forms, no surrogates, nothing above U+10FFFF).
struct Utf8Start {
  size_t
      length;  // bytes that belong together: a character, the start of one, or a single byte that begins none
  size_t needed;  // bytes of the whole character; 0: none begins so
};
constexpr Utf8Start utf8_start(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {1, 1};
  if (first < 0xc2 || first > 0xf4) return {1, 0};
  const size_t needed = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  size_t length = 1;
  if (text.size() > 1 && byte(1) >= low && byte(1) <= high)
    for (length = 2; length < needed && length < text.size() && (byte(length) & 0xc0) == 0x80;) ++length;
  return {length, needed};
}

// Bytes of the well-formed character that `text` starts with, or 0 when it starts with none.
constexpr size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const Utf8Start start = utf8_start(text);
  return start.length == start.needed ? start.length : 0;
}

inline constexpr std::string_view kUtf8Replacement = "\xef\xbf\xbd";  // U+FFFD, for what is not a character

// Byte of the first fault (stray, overlong, surrogate, beyond U+10FFFF, cut off), or nothing when all is well.
std::optional<size_t> find_invalid_utf8(std::string_view text);

// Bytes of a name as text that can be printed and stored: what is not UTF-8, and control characters, as \xNN.
std::string printable(std::string_view bytes);

void append_utf8(std::string& text, char32_t code_point);

}  // namespace mom
