// SentencePiece from which any text comes back exactly, also one that is not UTF-8. It writes a space as U+2581, so a
// U+2581 in the text would come back as a space: that and bytes that are not UTF-8 go around it, straight to byte
// pieces. So do spaces where no text to learn from had any: there they would become the bytes of U+2581.
#pragma once

#include "mom/codecs/sentence_piece.h"

namespace mom::codecs {

class ExactPieces : public SentencePiece {
 public:
  explicit ExactPieces(const Path& model_file);  // InputError: no model, or one without byte fallback

  std::vector<int32_t> encode(std::string_view text) const override;
  bool has_space() const { return has_space_; }

 private:
  bool has_space_ = false;  // as a piece of its own
};

}  // namespace mom::codecs
