// What a header needs to declare a config struct and its describe(config::Table&), without the schema itself.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mom::config {

class Field;
class Table;
class Schema;

// A TOML inline table or sub-table of numbers, such as mixture = {images = 0.5}.
using Weights = std::map<std::string, double>;
// The same of integers, and of strings.
using Integers = std::map<std::string, int64_t>;
using Names = std::map<std::string, std::string>;
// [[NAME]] tables of the keys `name` and `set`: assignments "table.key=value" grouped under a name.
struct NamedSettings {
  std::string name;
  std::vector<std::string> set;
};

}  // namespace mom::config
