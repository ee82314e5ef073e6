// `mom inspect`: what a recipe, a run, a model folder or a size of the papers amounts to. No torch here.
#pragma once

#include <string>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::eval {

// A recipe (*.toml; its data must be there), a run or a model folder.
OrderedJson inspect_path(const Path& path);
// A size by name, e.g. ("1.4B", "mixture_of_mamba", "transfusion"), with the papers' vocabulary.
OrderedJson inspect_size(const std::string& size, const std::string& backbone, const std::string& setting);

}  // namespace mom::eval
