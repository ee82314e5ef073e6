#include "mom/codecs/token_sequence.h"

#include "mom/base/error.h"
#include "mom/codecs/text_codec.h"

namespace mom::codecs {
namespace {

[[noreturn]] void fail(size_t position, const std::string& expected, int32_t found) {
  throw InputError({"token " + std::to_string(position), expected, std::to_string(found), ""});
}

// The modality that `token` opens; null when it opens none.
const TokenRange* opened_by(int32_t token, const Vocabulary& vocabulary) {
  for (const TokenRange& range : vocabulary.ranges()) {
    const auto brackets = brackets_of(range.modality);
    if (brackets && brackets->open == token) return &range;
  }
  return nullptr;
}

}  // namespace

void append_segment(const CodeSegment& segment, const Vocabulary& vocabulary, std::vector<int32_t>& tokens) {
  const TokenRange* range = vocabulary.find(segment.modality);
  if (!range || range->size() == 0)
    throw InputError(
        {"segment of modality \"" + segment.modality + "\"", "a modality with tokens", "none", ""});
  const auto brackets = brackets_of(segment.modality);
  if (brackets) tokens.push_back(brackets->open);
  for (int32_t code : segment.codes) {
    if (code < (brackets ? 0 : special::kCount) || code >= range->size())
      throw InputError(
          {segment.modality + " code", "below " + std::to_string(range->size()), std::to_string(code), ""});
    tokens.push_back(static_cast<int32_t>(range->begin) + code);
  }
  if (brackets) tokens.push_back(brackets->close);
}

std::vector<int32_t> join_segments(const std::vector<CodeSegment>& segments, const Vocabulary& vocabulary) {
  std::vector<int32_t> tokens = {special::kBos};
  for (const CodeSegment& segment : segments) append_segment(segment, vocabulary, tokens);
  tokens.push_back(special::kEos);
  return tokens;
}

std::vector<CodeSegment> split_segments(std::span<const int32_t> tokens, const Vocabulary& vocabulary) {
  std::vector<CodeSegment> segments;
  const TokenRange* open = nullptr;  // the segment we are in, when it is not text
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int32_t token = tokens[i];
    if (open) {
      if (token == brackets_of(open->modality)->close) {
        open = nullptr;
      } else if (open->contains(token)) {
        segments.back().codes.push_back(token - static_cast<int32_t>(open->begin));
      } else {
        fail(i, "a code of " + open->modality + " or its end", token);
      }
    } else if ((token == special::kBos && i == 0) || (token == special::kEos && i + 1 == tokens.size())) {
      continue;
    } else if (const TokenRange* opened = opened_by(token, vocabulary)) {
      segments.push_back({opened->modality, {}});
      open = opened;
    } else if (token >= special::kCount && vocabulary.find("text") &&
               vocabulary.find("text")->contains(token)) {
      if (segments.empty() || segments.back().modality != "text") segments.push_back({"text", {}});
      segments.back().codes.push_back(token);
    } else {
      fail(i, "text, or the special that opens another modality", token);
    }
  }
  if (open) fail(tokens.size(), "the end of " + open->modality, tokens.back());
  return segments;
}

}  // namespace mom::codecs
