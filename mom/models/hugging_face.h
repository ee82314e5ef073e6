// Models of others as ours: the config.json of Hugging Face's Mamba and Llama folders and of the authors' own package
// (state-spaces), and the names of their tensors.
#pragma once

#include <string>
#include <string_view>

#include "mom/base/json.h"

namespace mom::models {

// A config.json of theirs in our keys; ours comes back as it is. InputError: what our networks have no part for.
Json in_our_keys(const Json& json, std::string_view where);
// The name of one of their tensors in our network; ours comes back as it is. `llama`: the folder is one of Llama's.
std::string our_name(const std::string& name, bool llama);

}  // namespace mom::models
