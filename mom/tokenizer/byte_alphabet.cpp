#include "mom/tokenizer/byte_alphabet.h"

#include <array>
#include <unordered_map>

#include "mom/base/utf8.h"
#include "mom/tokenizer/unicode.h"

namespace mom::tokenizer {
namespace {

struct Alphabet {
  std::array<std::string, 256> letters;
  std::unordered_map<char32_t, char> bytes;

  Alphabet() {
    char32_t next = 256;  // for bytes that are no printable character of Latin-1
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool is_printable =
          (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      const char32_t letter = is_printable ? byte : next++;
      append_utf8(letters[byte], letter);
      bytes[letter] = static_cast<char>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet alphabet;
  return alphabet;
}

}  // namespace

std::string_view letter_of_byte(unsigned char byte) { return alphabet().letters[byte]; }

std::optional<std::string> bytes_of_letters(std::string_view token) {
  std::string bytes;
  while (!token.empty()) {
    const auto [letter, length] = first_character(token);
    const auto found = alphabet().bytes.find(letter);
    if (found == alphabet().bytes.end()) return std::nullopt;
    bytes.push_back(found->second);
    token.remove_prefix(length);
  }
  return bytes;
}

std::string letters_of_bytes(std::string_view bytes) {
  std::string letters;
  for (const char byte : bytes) letters += letter_of_byte(static_cast<unsigned char>(byte));
  return letters;
}

}  // namespace mom::tokenizer
