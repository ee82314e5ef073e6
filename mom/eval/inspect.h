// `mom inspect`: what a recipe, a run, a model folder or a size of the papers amounts to. No torch here.
#pragma once

#include <string>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::eval {

// A recipe (*.toml; without its data the papers' vocabulary stands in), a run or a model folder.
// sequence_tokens: length of the sequence that attention's FLOPs and the state are given for; 0: the
// recipe's, else 4,096.
OrderedJson inspect_path(const Path& path, int64_t sequence_tokens = 0);
// A size by name, e.g. ("1.4B", "mixture_of_mamba", "chameleon"), with the papers' vocabulary of the setting.
OrderedJson inspect_size(const std::string& size, const std::string& backbone, const std::string& setting,
                         int64_t sequence_tokens = 0);
// All backbones side by side, {"backbones": [as above, ...]}: of a size by name, or of a recipe.
OrderedJson compare_size(const std::string& size, const std::string& setting, int64_t sequence_tokens = 0);
OrderedJson compare_recipe(const Path& recipe, int64_t sequence_tokens = 0);

}  // namespace mom::eval
