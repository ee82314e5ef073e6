// Files that a list in a folder names: the list is data, and may come from elsewhere.
#pragma once

#include <string>
#include <string_view>

#include "mom/base/files.h"

namespace mom::runs {

// folder / name. InputError "WHERE: ..." when that may lie outside.
Path file_inside(const Path& folder, const Path& name, std::string_view where);

}  // namespace mom::runs
