// Versions of the libraries that read and write files, as they are loaded now.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mom::formats {

std::vector<std::pair<std::string, std::string>> library_versions();  // {"libpng", "1.6.39"}, ...

}  // namespace mom::formats
