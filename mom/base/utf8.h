// UTF-8: the encoding of every text that enters `mom`.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mom {

// Byte of the first fault (stray, overlong, surrogate, beyond U+10FFFF, cut off), or nothing when all is
// well.
std::optional<size_t> find_invalid_utf8(std::string_view text);

void append_utf8(std::string& text, char32_t code_point);

}  // namespace mom
