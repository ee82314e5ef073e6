// TOML -> schema. toml++ is the slow header: only this file includes it.
#include <toml++/toml.h>

#include "mom/base/error.h"
#include "mom/config/schema.h"

namespace mom::config {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{16} << 20;

std::string place(std::string_view where, const toml::source_region& source) {
  return std::string(where) + ":" + std::to_string(source.begin.line);
}

Json to_json(const toml::node& node, std::string_view where) {
  if (const auto* value = node.as_boolean()) return value->get();
  if (const auto* value = node.as_integer()) return value->get();
  if (const auto* value = node.as_floating_point()) return value->get();
  if (const auto* value = node.as_string()) return value->get();
  if (const auto* list = node.as_array()) {
    Json json = Json::array();
    for (const toml::node& item : *list) json.push_back(to_json(item, where));
    return json;
  }
  if (const auto* table = node.as_table()) {
    Json json = Json::object();
    for (const auto& [key, item] : *table) json[std::string(key.str())] = to_json(item, where);
    return json;
  }
  throw UserError({place(where, node.source()), "a number, string, list or table", "a date or time", ""});
}

toml::table parse(std::string_view text, std::string_view where) {
  try {
    return toml::parse(text, where);
  } catch (const toml::parse_error& error) {
    std::string problem(error.description());
    for (char& c : problem)
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    throw UserError({place(where, error.source()), "TOML", problem, ""});
  }
}

bool has_table(const Schema& schema, std::string_view name) {
  for (const Table& table : schema.tables())
    if (table.name() == name) return true;
  return false;
}

[[noreturn]] void unknown_table(const Schema& schema, std::string_view name, const std::string& where) {
  std::vector<std::string> names;
  for (const Table& table : schema.tables())
    if (!table.name().empty()) names.push_back(table.name());
  std::string next;
  for (const std::string& known : names) next += (next.empty() ? "; known tables are " : ", ") + known;
  if (const std::string near = nearest(name, names); !near.empty()) next = "; did you mean [" + near + "]?";
  throw UserError(where + ": unknown table [" + std::string(name) + "]" + next);
}

bool has_root_field(const Schema& schema, std::string_view name) {
  for (const Table& table : schema.tables())
    for (const Field& field : table.fields())
      if (table.name().empty() && field.name() == name) return true;
  return false;
}

}  // namespace

void load_toml(Schema& schema, const Path& path) {
  load_toml_text(schema, read_file(path, kMaxBytes), path.string());
}

void load_toml_text(Schema& schema, std::string_view text, std::string_view where) {
  const toml::table root = parse(text, where);
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    const std::string line = place(where, key.source());
    if (!node.is_table() || has_root_field(schema, name)) {
      if (has_table(schema, name))
        throw UserError(
            {line, "[" + name + "] as a table", "a single value", "write its keys below [" + name + "]"});
      schema.find(name, line).assign(to_json(node, where), line);
      continue;
    }
    if (!has_table(schema, name)) unknown_table(schema, name, line);
    for (const auto& [field_key, value] : *node.as_table()) {
      const std::string field_line = place(where, field_key.source());
      schema.find(name + "." + std::string(field_key.str()), field_line)
          .assign(to_json(value, where), field_line);
    }
  }
}

void apply_override(Schema& schema, std::string_view assignment) {
  const size_t equals = assignment.find('=');
  const std::string where = "--set " + std::string(assignment);
  if (equals == std::string_view::npos || equals == 0)
    throw UserError({where, "table.key=value", "no '='", ""});
  auto trimmed = [](std::string_view text) {
    const size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return std::string();
    return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
  };
  Field& field = schema.find(trimmed(assignment.substr(0, equals)), where);
  const std::string value = trimmed(assignment.substr(equals + 1));
  const bool quoted = value.starts_with('"') || value.starts_with('\'');
  if (std::holds_alternative<std::string*>(field.target()) && !quoted) return field.assign(value, where);
  if (value.find('\n') != std::string::npos) throw UserError({where, "a value of one line", "several", ""});
  toml::table parsed;
  try {
    parsed = toml::parse("value = " + value);
  } catch (const toml::parse_error&) {
    throw UserError({where, field.type_name() + " in TOML form", value.empty() ? "nothing" : value, ""});
  }
  field.assign(to_json(*parsed.get("value"), where), where);
}

}  // namespace mom::config
