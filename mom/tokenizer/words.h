// GPT-2's split of text into words, which BPE never merges across:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
#pragma once

#include <cstddef>
#include <string_view>

namespace mom::tokenizer {

// Bytes of the first word of `text`, well-formed UTF-8 and not empty. The words cover the text.
size_t first_word(std::string_view text);

}  // namespace mom::tokenizer
