// A text codec made of a tokenizer.json of Hugging Face, and back.
#pragma once

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::codecs {

// `source`: a tokenizer.json, or a folder with one. Writes a codec folder at `out` (whole or not at all) with that file
// in it as it is. Returns {"kind", "hash", "vocabulary"}. InputError: a tokenizer that cannot be read exactly.
OrderedJson import_text_codec(const Path& source, const Path& out, bool replace);

// The text codec in `folder` as a tokenizer.json whose ids are the codec's, control symbols included: what models trained
// on it need (docs/formats/codec.md says what of it cannot be exact). InputError: no text codec.
OrderedJson text_codec_as_json(const Path& folder);

// Writes that. Returns {"kind", "hash", "vocabulary", "merges"}.
OrderedJson export_text_codec(const Path& folder, const Path& out);

}  // namespace mom::codecs
