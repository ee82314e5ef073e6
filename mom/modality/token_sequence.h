// A document as tokens of the joint vocabulary, and back:
//   <bos> [text pieces | begin token, codes, end token of another modality]... <eos>
// Texts that stand next to each other become one, and an empty text leaves nothing: tokens cannot tell them
// apart.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mom/modality/vocabulary.h"

namespace mom::modality {

// Codes count from 0 in their own codec; text has its piece ids.
struct CodeSegment {
  std::string modality;
  std::vector<int32_t> codes;
  bool operator==(const CodeSegment&) const = default;
};

// Appends a segment with the specials around it. InputError: a modality or code that the vocabulary lacks.
void append_segment(const CodeSegment& segment, const Vocabulary& vocabulary, std::vector<int32_t>& tokens);
std::vector<int32_t> join_segments(const std::vector<CodeSegment>& segments, const Vocabulary& vocabulary);

// The segments of one document; <bos> and <eos> may be absent (a prompt, an answer). InputError names the
// position of a token that cannot stand there: outside the vocabulary, a code without its opening special, a
// segment that is not closed.
std::vector<CodeSegment> split_segments(std::span<const int32_t> tokens, const Vocabulary& vocabulary);

}  // namespace mom::modality
