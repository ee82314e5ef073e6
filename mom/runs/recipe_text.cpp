#include <toml++/toml.h>
#include <sstream>

#include "mom/base/error.h"
#include "mom/runs/run_folder.h"

namespace mom::runs {
namespace {

std::string value_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  std::ostringstream out;
  const auto plain = toml::toml_formatter::default_flags & ~toml::format_flags::allow_literal_strings;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_array<decltype(value)> || toml::is_table<decltype(value)>) {
      out << toml::toml_formatter(value, plain);
    } else {
      out << value;
    }
  });
  return out.str();
}

void flatten(const toml::table& table, const std::string& prefix, std::map<std::string, std::string>& out) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    const auto* inner = node.as_table();
    if (inner && !inner->is_inline()) {
      flatten(*inner, name + ".", out);
    } else {
      out[name] = value_text(node);
    }
  }
}

}  // namespace

std::map<std::string, std::string> flatten_toml(std::string_view text, const std::string& where) {
  std::map<std::string, std::string> out;
  try {
    flatten(toml::parse(text), "", out);
  } catch (const toml::parse_error& error) {
    throw InputError({where + ":" + std::to_string(error.source().begin.line), "a recipe in TOML",
                      std::string(error.description()), "use the recipe.toml that mom train wrote"});
  }
  return out;
}

}  // namespace mom::runs
