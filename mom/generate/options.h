// What a user's options ask of a model: checked, and as the engine takes it.
#pragma once

#include "mom/generate/asked.h"
#include "mom/generate/engine.h"
#include "mom/generate/generate.h"
#include "mom/generate/model_codecs.h"

namespace mom::generate {

// UserError names the option. The first needs no model; the second warns of options that have no use; the
// third needs to know what an answer is written as.
void check_options(const GenerateOptions& options);
void check_options_for(const GenerateOptions& options, const models::ModelSpec& spec);
void check_outputs(const GenerateOptions& options, codecs::MediaKind media,
                   const std::vector<std::string>& endings);

// The endings of files that one answer may be written to; what an array decodes to is among them where its codec's command
// may be run.
std::vector<std::string> endings_of(const GenerateOptions& options, const ModelCodecs& codecs);

bool asks_text(const std::string& modality, const models::ModelSpec& spec);
// --out is a file for the one answer, by its ending, and not a folder.
bool is_single_file(const GenerateOptions& options, const std::vector<std::string>& endings);

// Files are read; they come before the text, whatever the order of the options.
Asked asked_by(const GenerateOptions& options);

// The prompt as training lays documents out: <bos>, the parts, and the start of what is asked for. `model_folder` says
// what ends a plain language model's text (models/hugging_face.h). InputError: a part that cannot be decoded.
Request make_request(const Asked& asked, const models::ModelSpec& spec, const DocumentRules& rules,
                     const ModelCodecs& codecs, const Path& model_folder);

}  // namespace mom::generate
