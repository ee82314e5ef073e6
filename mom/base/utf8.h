// UTF-8: the encoding of every text that enters `mom`.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mom {

// Bytes of the well-formed UTF-8 character that `text` starts with (Unicode 15, table 3-7: no overlong forms,
// no surrogates, nothing above U+10FFFF), or 0 when it starts with none.
constexpr size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

// Byte of the first fault (stray, overlong, surrogate, beyond U+10FFFF, cut off), or nothing when all is well.
std::optional<size_t> find_invalid_utf8(std::string_view text);

// Bytes of a name as text that can be printed and stored: what is not UTF-8, and control characters, as \xNN.
std::string printable(std::string_view bytes);

void append_utf8(std::string& text, char32_t code_point);

}  // namespace mom
