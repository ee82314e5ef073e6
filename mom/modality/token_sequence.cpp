#include "mom/modality/token_sequence.h"

#include "mom/base/error.h"
#include "mom/modality/special_tokens.h"

namespace mom::modality {
namespace {

[[noreturn]] void fail(size_t position, const std::string& expected, int32_t found) {
  throw InputError({"token " + std::to_string(position), expected, std::to_string(found), ""});
}

}  // namespace

void append_segment(const CodeSegment& segment, const Vocabulary& vocabulary, std::vector<int32_t>& tokens) {
  const Modality* modality = vocabulary.find(segment.modality);
  if (!modality || modality->is_continuous())
    throw InputError(
        {"segment of modality \"" + segment.modality + "\"", "a modality with tokens", "none", ""});
  if (modality->brackets) tokens.push_back(modality->brackets->open);
  for (int32_t code : segment.codes) {
    if (code < (modality->is_text() ? special::kCount : 0) || code >= modality->num_ids())
      throw InputError({segment.modality + " code", "below " + std::to_string(modality->num_ids()),
                        std::to_string(code), ""});
    tokens.push_back(static_cast<int32_t>(modality->begin) + code);
  }
  if (modality->brackets) tokens.push_back(modality->brackets->close);
}

std::vector<int32_t> join_segments(const std::vector<CodeSegment>& segments, const Vocabulary& vocabulary) {
  std::vector<int32_t> tokens = {special::kBos};
  for (const CodeSegment& segment : segments) append_segment(segment, vocabulary, tokens);
  tokens.push_back(special::kEos);
  return tokens;
}

std::vector<CodeSegment> split_segments(std::span<const int32_t> tokens, const Vocabulary& vocabulary) {
  std::vector<CodeSegment> segments;
  const Modality* open = nullptr;  // the segment we are in, when it is not text
  const Modality* text = vocabulary.text();
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int32_t token = tokens[i];
    if (open) {
      if (token == open->brackets->close) {
        open = nullptr;
      } else if (open->contains(token)) {
        segments.back().codes.push_back(token - static_cast<int32_t>(open->begin));
      } else {
        fail(i, "a code of " + open->name + " or its end", token);
      }
    } else if ((token == special::kBos && i == 0) || (token == special::kEos && i + 1 == tokens.size())) {
      continue;
    } else if (const Modality* opened = vocabulary.opened_by(token)) {
      segments.push_back({opened->name, {}});
      open = opened;
    } else if (token >= special::kCount && text && text->contains(token)) {
      if (segments.empty() || segments.back().modality != text->name) segments.push_back({text->name, {}});
      segments.back().codes.push_back(token);
    } else {
      fail(i, "text, or the special that opens another modality", token);
    }
  }
  if (open) fail(tokens.size(), "the end of " + open->name, tokens.back());
  return segments;
}

}  // namespace mom::modality
