// GPT-2's alphabet: a printable character for each byte, in which files write byte-level tokens ("Ġthe" is " the").
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mom::tokenizer {

// The character of a byte, as UTF-8.
std::string_view letter_of_byte(unsigned char byte);
// The bytes that a token stands for; nothing where a character is none of the alphabet.
std::optional<std::string> bytes_of_letters(std::string_view token);
std::string letters_of_bytes(std::string_view bytes);

}  // namespace mom::tokenizer
