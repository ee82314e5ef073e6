// Our text codecs as tokenizer.json, with the codec's ids.
#pragma once

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/codecs/exact_pieces.h"

namespace mom::codecs {

// SentencePiece as train_text_codec() makes it: a BPE with byte fallback whose tokens have spaces as they are, so that
// nothing needs to be normalized. Text encodes to the same ids. A merge for each way to make a piece of two others, in
// the order of the pieces.
OrderedJson json_of_pieces(const ExactPieces& pieces);

// A tokenizer.json with its ids moved behind the control symbols.
OrderedJson json_behind_controls(const Path& file);

}  // namespace mom::codecs
