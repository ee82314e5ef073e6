// A model's tokenizer in a GGUF file, in the words of llama.cpp. No torch here.
#pragma once

#include "mom/formats/gguf.h"

namespace mom::eval {

// `text`: the folder with the tokenizer, empty: none. SentencePiece (tokenizer.model) becomes "llama", byte-level BPE
// (tokenizer.json) "gpt2"; without one, the model knows ids alone. `vocab_size`: rows of the token tables; those beyond the
// tokenizer are padding. `plain`: the folder of a plain language model, which says what its special tokens are; empty: ours
// (modality/special_tokens.h). InputError: a tokenizer that llama.cpp does not know.
void add_tokenizer(formats::GgufFile& file, const Path& text, int64_t vocab_size, const Path& plain);

}  // namespace mom::eval
