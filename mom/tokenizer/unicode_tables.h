// What PyPI tokenizers knows of Unicode, as scripts/unicode-tables found it. Sorted by code point.
#pragma once

#include <cstdint>
#include <span>

namespace mom::tokenizer {

struct CodeRange {
  char32_t first, last;  // both belong to it
};
// Code points of one combining class. Ranks stand in the order of the classes; code points without one are starters.
struct MarkRange {
  char32_t first, last;
  uint8_t rank;
};
struct Decomposition {
  char32_t composed, first, second;  // canonical, one step: `first` may decompose further
};
struct Singleton {
  char32_t composed, other;
};

extern const std::span<const CodeRange> kLetters, kNumbers, kSpaces;  // \p{L}, \p{N}, \s of its patterns
extern const std::span<const CodeRange> kWords;                       // \w of its added tokens
extern const std::span<const MarkRange> kMarks;
extern const std::span<const Decomposition> kPairs;    // Hangul's are computed
extern const std::span<const Singleton> kSingletons;   // never composed again
extern const std::span<const CodeRange> kNotComposed;  // of kPairs

}  // namespace mom::tokenizer
