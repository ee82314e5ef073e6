#include "mom/codecs/exact_pieces.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/utf8.h"

namespace mom::codecs {

ExactPieces::ExactPieces(const Path& model_file)
    : SentencePiece(model_file), has_space_(contains(kSpaceMark)) {
  for (int byte = 0; byte < 256; ++byte) {
    if (id_of_byte(static_cast<unsigned char>(byte)) < 0)
      throw InputError({model_file.string(), "a model with byte fallback (256 byte pieces)", "fewer",
                        "train the codec again"});
  }
}

std::vector<int32_t> ExactPieces::encode(std::string_view text) const {
  std::vector<int32_t> tokens;
  auto append_plain = [&](std::string_view part) {
    const std::vector<int32_t> ids = SentencePiece::encode(part);
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  };
  size_t plain = 0, at = 0;  // text[plain, at) is waiting to be encoded
  while (at < text.size()) {
    const size_t length = utf8_length(text.substr(at));
    const bool plain_character =
        length != 0 && text.substr(at, length) != kSpaceMark && (text[at] != ' ' || has_space_);
    if (!plain_character) {
      append_plain(text.substr(plain, at - plain));
      for (size_t i = 0; i < std::max<size_t>(length, 1); ++i)
        tokens.push_back(id_of_byte(static_cast<unsigned char>(text[at + i])));
      plain = at + std::max<size_t>(length, 1);
    }
    at += std::max<size_t>(length, 1);
  }
  append_plain(text.substr(plain));
  return tokens;
}

}  // namespace mom::codecs
