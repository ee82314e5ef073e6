// What the arguments of an import name.
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::data {

struct ImportSource {
  std::string name;  // of the documents' source: letters, digits, '_' and '-'
  struct Item {
    Path path;
    std::string stem;    // FILE of the keys FILE:LINE, and the key of a text: the name without its ending
    std::string prefix;  // of the keys in a tar that is one of several, "shard-000000/"; else empty
  };
  std::vector<Item> items;
};

// Expands {000..012} and {a,b} in arguments that are no files, and joins files whose names differ only in numbers, or
// that one pattern gave; so are those of one name. Where stems are the same, they are the whole path. `name`: of all of them, or empty. InputError names what does not exist or has no known kind.
std::vector<ImportSource> plan_sources(const std::vector<Path>& arguments, const std::string& name);

}  // namespace mom::data
