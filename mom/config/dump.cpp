// Schema -> TOML, terminal help and documentation.
#include <algorithm>

#include "mom/config/schema.h"

namespace mom::config {
namespace {

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string key_of(const Table& table, const Field& field) {
  return table.name().empty() ? field.name() : table.name() + "." + field.name();
}

std::string type_and_limits(const Field& field) {
  const std::string limits = field.limits();
  return field.type_name() + (limits.empty() ? "" : " (" + limits + ")");
}

std::string cell(std::string text) {  // '|' ends a cell in Markdown
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return one_line(std::move(text));
}

void dump_table(const Table& table, std::string& text) {
  if (!table.name().empty()) {
    if (!text.empty()) text += "\n";
    if (!table.help().empty()) text += "# " + one_line(table.help()) + "\n";
    text += "[" + table.name() + "]\n";
  }
  for (const Field& field : table.fields()) {
    const std::string limits = field.limits();
    text += field.name() + " = " + field.value_toml() + "  # " + one_line(field.help()) +
            (limits.empty() ? "" : " (" + limits + ")") + "\n";
  }
}

}  // namespace

std::string dump_toml(const Schema& schema) {
  std::string text;
  for (const bool root : {true, false})  // keys without a table must come before the first [table]
    for (const Table& table : schema.tables())
      if (table.name().empty() == root) dump_table(table, text);
  return text;
}

std::string help_text(const Schema& schema) {
  size_t key_width = 0;
  for (const Table& table : schema.tables())
    for (const Field& field : table.fields()) key_width = std::max(key_width, key_of(table, field).size());
  std::string text;
  for (const Table& table : schema.tables()) {
    for (const Field& field : table.fields()) {
      std::string key = key_of(table, field);
      key.resize(key_width, ' ');
      text += "  " + key + "   " + type_and_limits(field) + ", default " + field.value_toml() + "    " +
              one_line(field.help()) + "\n";
    }
  }
  return text;
}

std::string help_markdown(const Schema& schema) {
  std::string text;
  for (const Table& table : schema.tables()) {
    if (!text.empty()) text += "\n";
    text += table.name().empty() ? "### Keys before the first table\n\n" : "### `[" + table.name() + "]`\n\n";
    if (!table.help().empty()) text += one_line(table.help()) + "\n\n";
    text += "| key | type | default | meaning |\n|---|---|---|---|\n";
    for (const Field& field : table.fields())
      text += "| `" + field.name() + "` | " + cell(type_and_limits(field)) + " | `" +
              cell(field.value_toml()) + "` | " + cell(field.help()) + " |\n";
  }
  return text;
}

}  // namespace mom::config
