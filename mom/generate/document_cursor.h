// Where in a document a sequence stands, and which tokens may come next: codes only inside their segment, a
// picture always whole, nothing opened that cannot be closed in the room that is left.
//   <bos> [text | <boi> codes or latents <eoi> | <bos_speech> codes <eos_speech>]... <eos>
// A plain language model (no vocabulary) has no such rules: every id may follow every id.
#pragma once

#include <cstdint>
#include <vector>

#include "mom/generate/step.h"
#include "mom/generate/token_sampler.h"

namespace mom::generate {

struct DocumentRules {
  codecs::Vocabulary vocabulary;
  int64_t vocab_size = 0;
  int64_t codes_per_image = 0;    // pictures as codes; 0: not known, none is opened
  int64_t patches_per_image = 0;  // pictures as latents
};

DocumentRules rules_of(const models::ModelSpec& spec, int64_t codes_per_image);

class DocumentCursor {
 public:
  explicit DocumentCursor(const DocumentRules& rules) : rules_(&rules) {}

  // Over a token, or kPicture. UserError "token ID: expected ..." where it cannot stand; the cursor then stays.
  void advance(int32_t token);
  // Tokens that may follow when at most `room` positions may: never none where room >= to_close(). Not to be
  // asked where a picture is due.
  std::vector<TokenSpan> allowed(int64_t room) const;
  bool inside(std::string_view modality) const { return open_ && open_->modality == modality; }
  bool in_text() const { return !open_; }
  bool picture_due() const;  // as latents
  bool opens(int32_t token) const { return opened_by(token) != nullptr; }
  // Positions it takes at least to be in text again.
  int64_t to_close() const;

 private:
  const codecs::TokenRange* opened_by(int32_t token) const;
  int64_t fewest(const codecs::TokenRange& range) const;  // positions inside its brackets; 0: cannot be made
  bool full() const;                                      // nothing but the end may follow
  bool fits(int32_t token) const;

  const DocumentRules* rules_;
  const codecs::TokenRange* open_ = nullptr;
  int64_t num_inside_ = 0;  // positions since it was opened
};

}  // namespace mom::generate
