// A document as tokens of the joint vocabulary, and back:
//   <bos> [text pieces | begin token, codes, end token of another modality]... <eos>
// Texts next to each other are one segment, and an empty text is none: tokens cannot tell them apart.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mom/base/error.h"
#include "mom/modality/special_tokens.h"
#include "mom/modality/vocabulary.h"

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

inline void append_segment(const CodeSegment& segment, const modality::Vocabulary& vocabulary,
                           std::vector<int32_t>& tokens) {
  const modality::Modality* kind = vocabulary.find(segment.modality);
  if (!kind || kind->is_continuous())
    throw InputError(
        {"segment of modality \"" + segment.modality + "\"", "a modality with tokens", "none", ""});
  if (kind->brackets) tokens.push_back(kind->brackets->open);
  for (int32_t code : segment.codes) {
    if (code < (kind->is_text() ? modality::special::kCount : 0) || code >= kind->num_ids())
      throw InputError(
          {segment.modality + " code", "below " + std::to_string(kind->num_ids()), std::to_string(code), ""});
    tokens.push_back(static_cast<int32_t>(kind->begin) + code);
  }
  if (kind->brackets) tokens.push_back(kind->brackets->close);
}

inline std::vector<int32_t> join_segments(const std::vector<CodeSegment>& segments,
                                          const modality::Vocabulary& vocabulary) {
  std::vector<int32_t> tokens = {modality::special::kBos};
  for (const CodeSegment& segment : segments) append_segment(segment, vocabulary, tokens);
  tokens.push_back(modality::special::kEos);
  return tokens;
}

inline std::vector<CodeSegment> split_segments(std::span<const int32_t> tokens,
                                               const modality::Vocabulary& vocabulary) {
  std::vector<CodeSegment> segments;
  const modality::Modality* open = nullptr;  // the segment we are in, when it is not text
  const modality::Modality* text = vocabulary.text();
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int32_t token = tokens[i];
    if (open) {
      if (token == open->brackets->close) {
        open = nullptr;
      } else if (open->contains(token)) {
        segments.back().codes.push_back(token - static_cast<int32_t>(open->begin));
      } else {
        refuse_token(i, "a code of " + open->name + " or its end", token);
      }
    } else if ((token == modality::special::kBos && i == 0) ||
               (token == modality::special::kEos && i + 1 == tokens.size())) {
      continue;
    } else if (const modality::Modality* opened = vocabulary.opened_by(token)) {
      segments.push_back({opened->name, {}});
      open = opened;
    } else if (token >= modality::special::kCount && text && text->contains(token)) {
      if (segments.empty() || segments.back().modality != text->name) segments.push_back({text->name, {}});
      segments.back().codes.push_back(token);
    } else {
      refuse_token(i, "text, or the special that opens another modality", token);
    }
  }
  if (open) refuse_token(tokens.size(), "the end of " + open->name, tokens.back());
  return segments;
}

}  // namespace mom::test
