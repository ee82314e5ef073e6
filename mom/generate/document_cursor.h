// Where in a document a sequence stands, and which tokens may come next: codes only inside their segment, a
// item of fixed length always whole, nothing opened that cannot be closed in the room that is left.
//   <bos> [text | begin token, codes or latents, end token of another modality]... <eos>
// A plain language model (no vocabulary) has no such rules: every id may follow every id.
#pragma once

#include <cstdint>
#include <vector>

#include "mom/generate/step.h"
#include "mom/generate/token_sampler.h"

namespace mom::generate {

struct DocumentRules {
  modality::Vocabulary vocabulary;  // a modality whose items have an unknown length is not opened
  int64_t vocab_size = 0;
};

class DocumentCursor {
 public:
  explicit DocumentCursor(const DocumentRules& rules) : rules_(&rules), pieces_(rules.vocabulary.pieces()) {}

  // Over a token, or kPicture. UserError "token ID: expected ..." where it cannot stand; the cursor then stays.
  void advance(int32_t token);
  // Tokens that may follow when at most `room` positions may: never none where room >= to_close(). Not to be
  // asked where a picture is due.
  std::vector<TokenSpan> allowed(int64_t room) const;
  bool inside(std::string_view modality) const { return open_ && open_->name == modality; }
  bool inside_whole() const { return open_ && open_->has_fixed_length(); }
  bool in_text() const { return !open_; }
  bool picture_due() const;                                 // as latents
  const modality::Modality* open() const { return open_; }  // that items are written of; null in text
  bool opens(int32_t token) const { return rules_->vocabulary.opened_by(token) != nullptr; }
  // Positions it takes at least to be in text again.
  int64_t to_close() const;

 private:
  bool full() const;  // nothing but the end may follow
  bool fits(int32_t token) const;

  const DocumentRules* rules_;
  modality::Vocabulary::Ids pieces_;  // of text: most of a document
  const modality::Modality* open_ = nullptr;
  int64_t num_inside_ = 0;  // positions since it was opened
};

}  // namespace mom::generate
