#include "mom/generate/document_cursor.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/modality/special_tokens.h"

namespace mom::generate {

namespace special = modality::special;

namespace {

// Positions inside its brackets at least; 0: it cannot be made.
int64_t fewest(const modality::Modality& modality) {
  const int64_t length = modality.positions_per_item();
  return length == modality::kUnknownLength ? 0 : std::max<int64_t>(1, length);
}

}  // namespace

bool DocumentCursor::picture_due() const { return open_ && open_->is_continuous() && num_inside_ == 0; }

bool DocumentCursor::full() const {
  return open_->is_continuous() || (open_->has_fixed_length() && num_inside_ == fewest(*open_));
}

int64_t DocumentCursor::to_close() const {
  return open_ ? std::max<int64_t>(0, fewest(*open_) - num_inside_) + 1 : 0;
}

bool DocumentCursor::fits(int32_t token) const {
  if (rules_->vocabulary.empty()) return token >= 0 && token < rules_->vocab_size;
  if (picture_due()) return token == kPicture;
  if (!open_)
    return pieces_.contains(token) || token == special::kBos || token == special::kEos ||
           (opens(token) && fewest(*rules_->vocabulary.opened_by(token)) > 0);
  if (token == open_->brackets->close) return open_->has_fixed_length() ? full() : num_inside_ > 0;
  return !full() && open_->contains(token);
}

void DocumentCursor::advance(int32_t token) {
  if (!fits(token)) {
    const std::string expected = rules_->vocabulary.empty() ? "0 to " + std::to_string(rules_->vocab_size - 1)
                                 : !open_        ? "text, <bos>, <eos> or the start of another modality"
                                 : picture_due() ? "latents of " + open_->name
                                 : full()        ? "the end of " + open_->name
                                 : open_->has_fixed_length() ? "a code of " + open_->name
                                                             : "a code of " + open_->name + ", or its end";
    throw UserError({"token " + std::to_string(token), expected, "another", ""});
  }
  if (rules_->vocabulary.empty() || (!open_ && pieces_.contains(token))) return;
  if (!open_) {
    open_ = rules_->vocabulary.opened_by(token);
    num_inside_ = 0;
  } else if (token != kPicture && token == open_->brackets->close) {
    open_ = nullptr;
  } else {
    num_inside_ += token == kPicture ? open_->positions_per_item() : 1;
  }
}

std::vector<TokenSpan> DocumentCursor::allowed(int64_t room) const {
  if (rules_->vocabulary.empty()) return {{0, rules_->vocab_size}};
  if (open_) {
    const int64_t close = open_->brackets->close;
    const TokenSpan end{close, close + 1}, codes{open_->begin, open_->end};
    if (open_->has_fixed_length() || num_inside_ == 0) return {full() ? end : codes};
    return room > 1 ? std::vector{end, codes} : std::vector{end};
  }
  std::vector<TokenSpan> spans = {{special::kEos, special::kEos + 1}};
  for (const modality::Modality& modality : rules_->vocabulary.modalities()) {
    if (modality.brackets && fewest(modality) > 0 && room >= fewest(modality) + 2)
      spans.push_back({modality.brackets->open, modality.brackets->open + 1});
  }
  spans.push_back({pieces_.begin, pieces_.end});
  std::sort(spans.begin(), spans.end(),
            [](const TokenSpan& a, const TokenSpan& b) { return a.begin < b.begin; });
  return spans;
}

}  // namespace mom::generate
