// What a user's options ask of a model: checked, and as the engine takes it.
#pragma once

#include "mom/generate/codec_set.h"
#include "mom/generate/engine.h"
#include "mom/generate/generate.h"

namespace mom::generate {

// UserError names the option. The first needs no model; the second warns of options that have no use.
void check_options(const GenerateOptions& options);
void check_options_for(const GenerateOptions& options, const models::ModelSpec& spec);

// The prompt as training lays documents out: <bos> picture speech text, and the start of what is asked for.
// `model_folder` holds config.json, whose eos_token_id ends a plain language model's text.
Request make_request(const GenerateOptions& options, const models::ModelSpec& spec,
                     const DocumentRules& rules, CodecSet& codecs, const Path& model_folder);

}  // namespace mom::generate
