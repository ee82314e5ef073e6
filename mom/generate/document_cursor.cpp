#include "mom/generate/document_cursor.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/codecs/text_codec.h"

namespace mom::generate {

namespace special = codecs::special;

DocumentRules rules_of(const models::ModelSpec& spec, int64_t codes_per_image) {
  return {spec.vocabulary, spec.vocab_size, spec.has_patches() ? 0 : codes_per_image,
          spec.has_patches() ? spec.patches_per_image() : 0};
}

const codecs::TokenRange* DocumentCursor::opened_by(int32_t token) const {
  for (const codecs::TokenRange& range : rules_->vocabulary.ranges()) {
    const auto brackets = codecs::brackets_of(range.modality);
    if (brackets && brackets->open == token) return &range;
  }
  return nullptr;
}

int64_t DocumentCursor::fewest(const codecs::TokenRange& range) const {
  if (range.modality != "image") return 1;
  return range.size() == 0 ? rules_->patches_per_image : rules_->codes_per_image;
}

bool DocumentCursor::picture_due() const { return open_ && open_->size() == 0 && num_inside_ == 0; }

bool DocumentCursor::full() const {
  return open_->size() == 0 || (open_->modality == "image" && num_inside_ == fewest(*open_));
}

int64_t DocumentCursor::to_close() const {
  return open_ ? std::max<int64_t>(0, fewest(*open_) - num_inside_) + 1 : 0;
}

bool DocumentCursor::fits(int32_t token) const {
  if (rules_->vocabulary.empty()) return token >= 0 && token < rules_->vocab_size;
  if (picture_due()) return token == kPicture;
  if (!open_)
    return token == special::kBos || token == special::kEos ||
           (opens(token) && fewest(*opened_by(token)) > 0) ||
           (token >= special::kCount && rules_->vocabulary.modality_of(token) == 0);
  if (token == codecs::brackets_of(open_->modality)->close)
    return open_->modality == "image" ? full() : num_inside_ > 0;
  return !full() && open_->contains(token);
}

void DocumentCursor::advance(int32_t token) {
  if (!fits(token)) {
    const std::string expected = rules_->vocabulary.empty() ? "0 to " + std::to_string(rules_->vocab_size - 1)
                                 : !open_        ? "text, <bos>, <eos> or the start of a picture or speech"
                                 : picture_due() ? "a picture"
                                 : full()        ? "the end of " + open_->modality
                                                 : "a code of " + open_->modality + " (or the end of speech)";
    throw UserError({"token " + std::to_string(token), expected, "another", ""});
  }
  if (rules_->vocabulary.empty()) return;
  if (!open_) {
    open_ = opened_by(token);
    num_inside_ = 0;
  } else if (token != kPicture && token == codecs::brackets_of(open_->modality)->close) {
    open_ = nullptr;
  } else {
    num_inside_ += token == kPicture ? rules_->patches_per_image : 1;
  }
}

std::vector<TokenSpan> DocumentCursor::allowed(int64_t room) const {
  if (rules_->vocabulary.empty()) return {{0, rules_->vocab_size}};
  if (open_) {
    const int64_t close = codecs::brackets_of(open_->modality)->close;
    const TokenSpan end{close, close + 1}, codes{open_->begin, open_->end};
    if (open_->modality == "image" || num_inside_ == 0) return {full() ? end : codes};
    return room > 1 ? std::vector{end, codes} : std::vector{end};
  }
  std::vector<TokenSpan> spans = {{special::kEos, special::kEos + 1}};
  for (const codecs::TokenRange& range : rules_->vocabulary.ranges()) {
    const auto brackets = codecs::brackets_of(range.modality);
    if (brackets && fewest(range) > 0 && room >= fewest(range) + 2)
      spans.push_back({brackets->open, brackets->open + 1});
  }
  std::sort(spans.begin(), spans.end(),
            [](const TokenSpan& a, const TokenSpan& b) { return a.begin < b.begin; });
  spans.push_back({special::kCount, rules_->vocabulary.ranges()[0].end});
  return spans;
}

}  // namespace mom::generate
