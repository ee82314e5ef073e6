// The emoji Unicode lists, their English names and keywords, and the concept each one stands for.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::quickstart {

// Code points that choose the coloured form, and that join emoji to one.
inline constexpr char32_t kPresentation = 0xFE0F, kJoiner = 0x200D;

struct Emoji {
  std::vector<char32_t> code_points;  // fully qualified, with U+FE0F
  std::string name;                   // "red apple", "person: light skin tone"
  bool has_skin_tone() const;
  std::string key() const;  // "1f34e", "1f468-200d-1f373"
};

// Fully qualified sequences of emoji-test.txt, in file order. InputError with the line when one cannot be read.
std::vector<Emoji> read_emoji_list(const Path& emoji_test);

// What a split must not separate: the code points without presentation, skin tone, gender and joiner, man and
// woman folded into person (hex, joined with "-").
std::string concept_of(const Emoji& emoji);

// CLDR's keywords by sequence, UTF-8 without U+FE0F. `files`: annotations/en.xml and annotationsDerived/en.xml.
using Keywords = std::map<std::string, std::vector<std::string>, std::less<>>;
Keywords read_keywords(const std::vector<Path>& files);
// Those of one emoji, without any that equals its name.
std::vector<std::string> keywords_of(const Emoji& emoji, const Keywords& keywords);

}  // namespace mom::quickstart
