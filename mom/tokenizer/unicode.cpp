#include "mom/tokenizer/unicode.h"

#include <vector>

#include "mom/base/utf8.h"
#include "mom/tokenizer/nfc.h"
#include "mom/tokenizer/unicode_tables.h"

namespace mom::tokenizer {
namespace {

constexpr size_t kNumCodePoints = 0x110000;

std::vector<uint8_t> make_flags() {
  std::vector<uint8_t> flags(kNumCodePoints);
  const auto set = [&](std::span<const CodeRange> ranges, uint8_t flag) {
    for (const CodeRange& range : ranges)
      for (char32_t c = range.first; c <= range.last; ++c) flags[c] |= flag;
  };
  set(kLetters, kLetter);
  set(kNumbers, kNumber);
  set(kSpaces, kSpace);
  set(kWords, kWord);
  const Composer& composer = Composer::instance();
  for (char32_t c = 0; c < kNumCodePoints; ++c) {
    if (composer.is_attached(c)) flags[c] |= kNfcAttached;
    if (composer.is_unsure(c)) flags[c] |= kNfcUnsure;
  }
  return flags;
}

}  // namespace

uint8_t flags_of(char32_t code_point) {
  static const std::vector<uint8_t> flags = make_flags();
  return flags[code_point];
}

Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xe0) return {(first & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if (first < 0xf0) return {(first & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  return {(first & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f), 4};
}

Character last_character(std::string_view text) {
  size_t length = 1;
  while ((static_cast<unsigned char>(text[text.size() - length]) & 0xc0) == 0x80) ++length;
  return first_character(text.substr(text.size() - length));
}

std::string_view to_utf8(std::string_view text, std::string& buffer) {
  const std::optional<size_t> fault = find_invalid_utf8(text);
  if (!fault) return text;
  buffer.assign(text.substr(0, *fault));
  for (size_t at = *fault; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const auto [length, needed] = utf8_start(rest);
    buffer += length == needed ? rest.substr(0, length) : kUtf8Replacement;
    at += length;
  }
  return buffer;
}

}  // namespace mom::tokenizer
