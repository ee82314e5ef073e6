// Values as TOML text, such that reading the text gives the same value again.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mom::config {

// The shortest text that reads back as the same bits, always with '.' or 'e'.
std::string toml_number(double value);
std::string toml_string(std::string_view value);
std::string toml_list(const std::vector<std::string>& values);
// An inline table of values that are TOML already.
std::string toml_table(const std::map<std::string, std::string>& values);

}  // namespace mom::config
