#include "mom/config/toml_text.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace mom::config {
namespace {

bool is_bare_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

std::string toml_number(double value) {
  char buffer[64];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";  // "en": exponents, inf and nan
  return text;
}

std::string toml_string(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      text += escape;
    } else {
      text += c;
    }
  }
  return text + '"';
}

std::string toml_list(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + toml_string(value);
  return "[" + text + "]";
}

std::string toml_table(const std::map<std::string, std::string>& values) {
  if (values.empty()) return "{}";
  std::string text;
  for (const auto& [key, value] : values)
    text += (text.empty() ? "" : ", ") + (is_bare_key(key) ? key : toml_string(key)) + " = " + value;
  return "{ " + text + " }";
}

}  // namespace mom::config
