// Versions of the loaded libraries that read and write files.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mom::formats {

std::vector<std::pair<std::string, std::string>> library_versions();  // {"libpng", "1.6.39"}, ...

}  // namespace mom::formats
