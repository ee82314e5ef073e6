// One field list per config struct gives parsing, --help, ranges, dump and docs, so that they cannot drift apart.
//
//   struct OptimizerConfig {
//     double learning_rate = 1e-3;
//     void describe(config::Table& table) {
//       table.field("learning_rate", learning_rate, "peak learning rate").range(0, 10);
//     }
//   };
//   OptimizerConfig optimizer;
//   config::Schema schema;
//   optimizer.describe(schema.table("train", "the training loop"));
//   config::load_toml(schema, "recipe.toml");        // writes into `optimizer`
//
// A schema points into the structs it was built from: keep them alive and in place.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/base/nearest.h"
#include "mom/config/fwd.h"
#include "mom/config/matrix.h"

namespace mom::config {

void to_json(Json& json, const NamedSettings& settings);

using Target =
    std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*, std::vector<int64_t>*,
                 Weights*, Integers*, Names*, std::vector<NamedSettings>*, Matrix*>;

// Widths beyond this are taken for a mistake.
inline constexpr double kMaxWidth = 1 << 24;

class Field {
 public:
  Field(std::string name, Target target, std::string help)
      : name_(std::move(name)), help_(std::move(help)), file_key_(name_), targets_{target} {}
  Field& range(double low, double high);  // inclusive; numbers only
  Field& at_least(double low);
  Field& one_of(std::vector<std::string> choices);  // strings, or each of a list or table of strings
  Field& or_one();                                  // of a string list: a single string is a list of one
  // A struct may stand in a recipe and in a JSON file. There a key may have another name, may have to be present, or
  // one may not be in the recipe at all.
  Field& stored_as(std::string file_key);
  Field& required_in_files();
  Field& file_only();

  const std::string& name() const { return name_; }
  const std::string& help() const { return help_; }
  const Target& target() const { return targets_.front(); }
  // "integer", "number", "string", "true/false", "list of strings", "list of integers", "table of numbers",
  // "table of integers", "table of strings", "list of tables", "matrix"
  std::string type_name() const;
  std::string value_toml() const;  // the current value as TOML
  Json value_json() const;
  const std::string& file_key() const { return file_key_; }
  bool is_required_in_files() const { return required_in_files_; }
  bool is_file_only() const { return file_only_; }
  std::string limits() const;  // "1 to 8", "at least 1", "one of a, b"; empty when free
  bool was_set() const { return was_set_; }
  const std::string& set_at() const { return set_at_; }  // the `where` of the last assign
  // Assigns after type, range and finiteness checks (NaN and inf are refused). `where` names file:line or the option.
  void assign(const Json& value, std::string_view where);
  // From now on `twin`'s variables get what is assigned here, too. Both are of one name and type.
  void join(const Field& twin);

 private:
  void assign_to(const Target& target, const Json& value, std::string_view where);
  std::string name_, help_, file_key_;
  std::vector<Target> targets_;
  std::optional<double> low_, high_;
  std::vector<std::string> choices_;
  std::string set_at_;
  bool was_set_ = false, or_one_ = false, required_in_files_ = false, file_only_ = false;
};

class Table {
 public:
  Table(std::string name, std::string help) : name_(std::move(name)), help_(std::move(help)) {}
  template <class T>
  Field& field(std::string name, T& variable, std::string help) {
    return fields_.emplace_back(std::move(name), Target(&variable), std::move(help));
  }
  // Adds a field that another table describes, or joins it to the one of that name.
  void add(const Field& field);
  const std::string& name() const { return name_; }  // "" holds the keys before the first [table]
  const std::string& help() const { return help_; }
  std::deque<Field>& fields() { return fields_; }
  const std::deque<Field>& fields() const { return fields_; }

 private:
  std::string name_, help_;
  std::deque<Field> fields_;
};

class Schema {
 public:
  Table& table(std::string name, std::string help) {
    return tables_.emplace_back(std::move(name), std::move(help));
  }
  std::deque<Table>& tables() { return tables_; }
  const std::deque<Table>& tables() const { return tables_; }
  Field& find(std::string_view dotted_key, std::string_view where);  // UserError naming the nearest key
  bool was_set(std::string_view dotted_key);

 private:
  std::deque<Table> tables_;
};

// Syntax errors, unknown tables or keys (naming the nearest), wrong types and ranges: UserError "FILE:LINE: ...".
void load_toml(Schema& schema, const Path& path);
void load_toml_text(Schema& schema, std::string_view text, std::string_view where);
// "train.steps=200"; the value is TOML, and a bare word is taken as a string where the field is one.
void apply_override(Schema& schema, std::string_view assignment);
// Every field with its current value and its help as a comment; loads back to the same values.
std::string dump_toml(const Schema& schema);
// For terminals: "table.key   type (limits), default VALUE    help".
std::string help_text(const Schema& schema);
// For docs: one Markdown table per config table.
std::string help_markdown(const Schema& schema);

using mom::nearest;

}  // namespace mom::config
