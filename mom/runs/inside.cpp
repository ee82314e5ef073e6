#include "mom/runs/inside.h"

#include <algorithm>

#include "mom/base/error.h"

namespace mom::runs {

Path file_inside(const Path& folder, const Path& name, std::string_view where) {
  const bool climbs = std::any_of(name.begin(), name.end(), [](const Path& part) { return part == ".."; });
  if (name.empty() || name.is_absolute() || climbs)
    throw InputError({std::string(where), "a file inside " + folder.filename().string() + "/",
                      "\"" + name.string() + "\"", ""});
  return folder / name;
}

}  // namespace mom::runs
