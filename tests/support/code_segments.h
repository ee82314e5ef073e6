// The segments of a document, read back from its tokens of the joint vocabulary:
//   <bos> [text pieces | <boi> image codes <eoi> | <bos_speech> speech codes <eos_speech>]... <eos>
// Texts next to each other are one segment, and an empty text is none: tokens cannot tell them apart.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mom/base/error.h"
#include "mom/codecs/text_codec.h"
#include "mom/codecs/vocabulary.h"

namespace mom::test {

// Codes count from 0 in their own codec; text has its piece ids.
struct CodeSegment {
  std::string modality;
  std::vector<int32_t> codes;
  bool operator==(const CodeSegment&) const = default;
};

[[noreturn]] inline void refuse_token(size_t position, const std::string& expected, int32_t found) {
  throw InputError({"token " + std::to_string(position), expected, std::to_string(found), ""});
}

// The modality that `token` opens; null when it opens none.
inline const codecs::TokenRange* opened_by(int32_t token, const codecs::Vocabulary& vocabulary) {
  for (const codecs::TokenRange& range : vocabulary.ranges()) {
    const auto brackets = codecs::brackets_of(range.modality);
    if (brackets && brackets->open == token) return &range;
  }
  return nullptr;
}

// The segments of one document; <bos> and <eos> may be absent (a prompt, an answer). InputError names the
// position of a token that cannot stand there: outside the vocabulary, a code without its opening special, a
// segment that is not closed.
inline std::vector<CodeSegment> split_segments(std::span<const int32_t> tokens,
                                               const codecs::Vocabulary& vocabulary) {
  std::vector<CodeSegment> segments;
  const codecs::TokenRange* open = nullptr;  // the segment we are in, when it is not text
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int32_t token = tokens[i];
    if (open) {
      if (token == codecs::brackets_of(open->modality)->close) {
        open = nullptr;
      } else if (open->contains(token)) {
        segments.back().codes.push_back(token - static_cast<int32_t>(open->begin));
      } else {
        refuse_token(i, "a code of " + open->modality + " or its end", token);
      }
    } else if ((token == codecs::special::kBos && i == 0) ||
               (token == codecs::special::kEos && i + 1 == tokens.size())) {
      continue;
    } else if (const codecs::TokenRange* opened = opened_by(token, vocabulary)) {
      segments.push_back({opened->modality, {}});
      open = opened;
    } else if (token >= codecs::special::kCount && vocabulary.find("text") &&
               vocabulary.find("text")->contains(token)) {
      if (segments.empty() || segments.back().modality != "text") segments.push_back({"text", {}});
      segments.back().codes.push_back(token);
    } else {
      refuse_token(i, "text, or the special that opens another modality", token);
    }
  }
  if (open) refuse_token(tokens.size(), "the end of " + open->modality, tokens.back());
  return segments;
}

}  // namespace mom::test
