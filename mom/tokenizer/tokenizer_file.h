// Hugging Face's tokenizer.json, read into what a byte-level BPE needs.
//
//   "added_tokens"    found in text as they are; flags as in AddedToken; ids as PyPI tokenizers gives them
//   "normalizer"      none or NFC
//   "pre_tokenizer"   ByteLevel
//   "model"           BPE; merges as "a b" or ["a", "b"]
//   "post_processor"  none, ByteLevel (which changes no ids) or TemplateProcessing: tokens around a text
//   "decoder"         ByteLevel
//
// A "Sequence" of them is what its parts are. Whatever else a file asks for would give other ids, and is refused by name.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/tokenizer/added_tokens.h"

namespace mom::tokenizer {

struct TokenizerFile {
  std::vector<std::pair<std::string, int32_t>> vocabulary;  // tokens in GPT-2's alphabet
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  std::vector<AddedToken> added;                            // contents as in the file
  bool nfc = false;
  bool add_prefix_space = false;
  bool use_regex = true;  // cut into words as GPT-2 does
  bool ignore_merges = false;
  std::vector<int32_t> before, behind;  // ids around a text
};

// InputError naming `where` and the place in the file: not JSON, not this format, or anything above.
TokenizerFile read_tokenizer_file(const Json& json, const std::string& where);

}  // namespace mom::tokenizer
