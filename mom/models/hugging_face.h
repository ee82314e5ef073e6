// Models of others as ours: the config.json of Hugging Face's Mamba and Llama folders and of the authors' own package
// (state-spaces), and what stands beside it. The names of their tensors: tensor_names.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mom/base/json.h"

namespace mom::models {

// A config.json of theirs in our keys; ours comes back as it is. InputError: what our networks have no part for.
Json in_our_keys(const Json& json, std::string_view where);

// The ids that end a plain language model's text: `eos_token_id`, one or a list, of generation_config.json, where that
// has none of config.json. InputError names the file.
std::vector<int64_t> stop_tokens(const Path& model_folder);

// Of a plain language model that was written into another folder: its tokenizer, generation_config.json and the ids of
// its special tokens go with it.
void keep_language(const Path& from, const Path& to);

}  // namespace mom::models
