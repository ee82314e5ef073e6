#include "mom/tokenizer/words.h"

#include "mom/tokenizer/unicode.h"

namespace mom::tokenizer {
namespace {

constexpr uint8_t kKinds = kLetter | kNumber | kSpace;  // none of them: the rest, punctuation and marks

uint8_t kind_of(char32_t c) { return flags_of(c) & kKinds; }

// Bytes of 's, 't, 're, 've, 'm, 'll or 'd; 0: none.
size_t contraction(std::string_view text) {
  if (text[0] != '\'' || text.size() < 2) return 0;
  const char first = text[1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (text.size() < 3) return 0;
  const bool is_long = (first == 'r' && text[2] == 'e') || (first == 'v' && text[2] == 'e') ||
                       (first == 'l' && text[2] == 'l');
  return is_long ? 3 : 0;
}

// Where the run of characters of `kind` ends that goes on at `at`; `last`: where its last character begins.
size_t end_of_run(std::string_view text, size_t at, uint8_t kind, size_t& last) {
  while (at < text.size()) {
    const auto [c, length] = first_character(text.substr(at));
    if (kind_of(c) != kind) break;
    last = at;
    at += length;
  }
  return at;
}

}  // namespace

size_t first_word(std::string_view text) {
  if (const size_t length = contraction(text)) return length;
  const Character first = first_character(text);
  size_t last = 0;
  if (kind_of(first.code_point) != kSpace) return end_of_run(text, 0, kind_of(first.code_point), last);
  if (text[0] == ' ' && text.size() > 1) {
    const uint8_t kind = kind_of(first_character(text.substr(1)).code_point);
    if (kind != kSpace) return end_of_run(text, 1, kind, last);
  }
  // Of several spaces before a word the last is left to it.
  const size_t end = end_of_run(text, 0, kSpace, last);
  return end < text.size() && last > 0 ? last : end;
}

}  // namespace mom::tokenizer
