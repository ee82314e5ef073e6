#include "mom/config/schema.h"

#include <algorithm>
#include <cmath>

#include "mom/base/error.h"
#include "mom/config/toml_text.h"

namespace mom::config {

void to_json(Json& json, const NamedSettings& settings) {
  json = {{"name", settings.name}, {"set", settings.set}};
}

namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// 8 rather than 8.0: for people.
std::string plain_number(double value) {
  if (value == std::floor(value) && std::abs(value) <= 0x1p53)
    return std::to_string(static_cast<int64_t>(value));
  return toml_number(value);
}

std::string toml_integers(const std::vector<int64_t>& values) {
  std::string text;
  for (const int64_t value : values) text += (text.empty() ? "" : ", ") + std::to_string(value);
  return "[" + text + "]";
}

template <class Value, class ToToml>
std::string toml_by_name(const std::map<std::string, Value>& values, const ToToml& to_toml) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : values) texts[name] = to_toml(value);
  return toml_table(texts);
}

std::string toml_named_settings(const std::vector<NamedSettings>& values) {
  std::string text;
  for (const NamedSettings& each : values)
    text += (text.empty() ? "" : ", ") + ("{ name = " + toml_string(each.name)) +
            ", set = " + toml_list(each.set) + " }";
  return "[" + text + "]";
}

// One table of a list; `where` names file:line and the list's key.
NamedSettings named_settings(const Json& value, const std::string& where) {
  static const std::vector<std::string> kKeys = {"name", "set"};
  if (!value.is_object()) throw UserError({where, "a table with name and set", value.dump(), ""});
  for (const auto& [key, item] : value.items()) {
    const std::string near = nearest(key, kKeys);
    if (!std::count(kKeys.begin(), kKeys.end(), key))
      throw UserError(
          where + ": unknown key \"" + key + "\"" +
          (near.empty() ? "; known keys are " + joined(kKeys) : "; did you mean \"" + near + "\"?"));
  }
  NamedSettings result;
  config::Table table("", "");
  table.field("name", result.name, "").assign(value.value("name", Json()), where);
  table.field("set", result.set, "").assign(value.value("set", Json::array()), where);
  return result;
}

std::string shown(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

Field& Field::range(double low, double high) {
  low_ = low;
  high_ = high;
  return *this;
}

Field& Field::at_least(double low) {
  low_ = low;
  return *this;
}

Field& Field::one_of(std::vector<std::string> choices) {
  choices_ = std::move(choices);
  return *this;
}

Field& Field::or_one() {
  or_one_ = true;
  return *this;
}

Field& Field::stored_as(std::string file_key) {
  file_key_ = std::move(file_key);
  return *this;
}

Field& Field::required_in_files() {
  required_in_files_ = true;
  return *this;
}

Field& Field::file_only() {
  file_only_ = true;
  return *this;
}

void Field::join(const Field& twin) {
  targets_.insert(targets_.end(), twin.targets_.begin(), twin.targets_.end());
}

void Table::add(const Field& field) {
  for (Field& own : fields_)
    if (own.name() == field.name()) return own.join(field);
  fields_.push_back(field);
}

Json Field::value_json() const {
  return std::visit([](const auto* value) { return Json(*value); }, target());
}

std::string Field::type_name() const {
  return std::visit(
      Overloaded{[](bool*) { return "true/false"; }, [](int64_t*) { return "integer"; },
                 [](double*) { return "number"; }, [](std::string*) { return "string"; },
                 [](std::vector<std::string>*) { return "list of strings"; },
                 [](std::vector<int64_t>*) { return "list of integers"; },
                 [](Weights*) { return "table of numbers"; }, [](Integers*) { return "table of integers"; },
                 [](Names*) { return "table of strings"; },
                 [](std::vector<NamedSettings>*) { return "list of tables"; },
                 [](Matrix*) { return "matrix"; }},
      target());
}

std::string Field::value_toml() const {
  return std::visit(Overloaded{[](const bool* v) { return std::string(*v ? "true" : "false"); },
                               [](const int64_t* v) { return std::to_string(*v); },
                               [](const double* v) { return toml_number(*v); },
                               [](const std::string* v) { return toml_string(*v); },
                               [](const std::vector<std::string>* v) { return toml_list(*v); },
                               [](const std::vector<int64_t>* v) { return toml_integers(*v); },
                               [](const Weights* v) { return toml_by_name(*v, toml_number); },
                               [](const Integers* v) {
                                 return toml_by_name(*v, [](int64_t each) { return std::to_string(each); });
                               },
                               [](const Names* v) { return toml_by_name(*v, toml_string); },
                               [](const std::vector<NamedSettings>* v) { return toml_named_settings(*v); },
                               [](const Matrix* v) { return toml_matrix(*v); }},
                    target());
}

std::string Field::limits() const {
  if (!choices_.empty()) return "one of " + joined(choices_);
  if (low_ && high_) return plain_number(*low_) + " to " + plain_number(*high_);
  if (low_) return "at least " + plain_number(*low_);
  return "";
}

void Field::assign(const Json& value, std::string_view where) {
  for (const Target& target : targets_) assign_to(target, value, where);
  set_at_ = where;
  was_set_ = true;
}

void Field::assign_to(const Target& to, const Json& value, std::string_view where) {
  auto fail = [&](const std::string& expected, const std::string& found) {
    throw UserError({std::string(where) + ": " + name_, expected, found, ""});
  };
  auto require = [&](bool right_type) {
    const std::string article = std::string("aeiou").find(type_name()[0]) == std::string::npos ? "a " : "an ";
    if (!right_type)
      fail(std::holds_alternative<bool*>(to) ? "true or false" : article + type_name(), shown(value));
  };
  auto check_number = [&](double number) {
    if (!std::isfinite(number)) fail("a finite number", std::isnan(number) ? "nan" : "inf");
    if ((low_ && number < *low_) || (high_ && number > *high_)) fail(limits(), plain_number(number));
    return number;
  };
  auto check_choice = [&](const std::string& word) {
    if (choices_.empty() || std::count(choices_.begin(), choices_.end(), word)) return;
    const std::string near = nearest(word, choices_);
    throw UserError({std::string(where) + ": " + name_, limits(), "\"" + word + "\"",
                     near.empty() ? "" : "did you mean \"" + near + "\"?"});
  };
  std::visit(Overloaded{[&](bool* target) {
                          require(value.is_boolean());
                          *target = value.get<bool>();
                        },
                        [&](int64_t* target) {
                          require(value.is_number_integer());
                          check_number(value.get<double>());
                          *target = value.get<int64_t>();
                        },
                        [&](double* target) {
                          require(value.is_number());
                          *target = check_number(value.get<double>());
                        },
                        [&](std::string* target) {
                          require(value.is_string());
                          check_choice(value.get<std::string>());
                          *target = value.get<std::string>();
                        },
                        [&](std::vector<std::string>* target) {
                          const Json list = or_one_ && value.is_string() ? Json::array({value}) : value;
                          require(list.is_array());
                          for (const Json& word : list) {
                            require(word.is_string());
                            check_choice(word.get<std::string>());
                          }
                          *target = list.get<std::vector<std::string>>();
                        },
                        [&](std::vector<int64_t>* target) {
                          require(value.is_array());
                          for (const Json& number : value) {
                            require(number.is_number_integer());
                            check_number(number.get<double>());
                          }
                          *target = value.get<std::vector<int64_t>>();
                        },
                        [&](Weights* target) {
                          require(value.is_object());
                          Weights weights;
                          for (const auto& [key, number] : value.items()) {
                            require(number.is_number());
                            weights[key] = check_number(number.get<double>());
                          }
                          *target = weights;
                        },
                        [&](Integers* target) {
                          require(value.is_object());
                          Integers integers;
                          for (const auto& [key, number] : value.items()) {
                            require(number.is_number() && number == std::floor(number.get<double>()));
                            integers[key] = static_cast<int64_t>(check_number(number.get<double>()));
                          }
                          *target = integers;
                        },
                        [&](Names* target) {
                          require(value.is_object());
                          for (const auto& [key, word] : value.items()) {
                            require(word.is_string());
                            check_choice(word.get<std::string>());
                          }
                          *target = value.get<Names>();
                        },
                        [&](Matrix* target) {
                          Matrix matrix = matrix_from_json(value, std::string(where) + ": " + name_);
                          for (const double number : matrix.values) check_number(number);
                          *target = std::move(matrix);
                        },
                        [&](std::vector<NamedSettings>* target) {
                          require(value.is_array());
                          std::vector<NamedSettings> list;
                          for (const Json& item : value)
                            list.push_back(named_settings(item, std::string(where) + ": " + name_));
                          *target = std::move(list);
                        }},
             to);
}

Field& Schema::find(std::string_view dotted_key, std::string_view where) {
  const size_t dot = dotted_key.find('.');
  const std::string_view table_name = dot == std::string_view::npos ? "" : dotted_key.substr(0, dot);
  const std::string_view field_name = dot == std::string_view::npos ? dotted_key : dotted_key.substr(dot + 1);
  std::vector<std::string> known;
  for (Table& table : tables_) {
    for (Field& field : table.fields()) {
      if (table.name() == table_name && field.name() == field_name) return field;
      known.push_back(table.name().empty() ? field.name() : table.name() + "." + field.name());
    }
  }
  std::string near = nearest(dotted_key, known);
  for (const std::string& key : known)  // the right key in the wrong table
    if (key.substr(key.find('.') + 1) == field_name) near = key;
  throw UserError(std::string(where) + ": unknown key \"" + std::string(dotted_key) + "\"" +
                  (near.empty() ? "; known keys are " + joined(known) : "; did you mean \"" + near + "\"?"));
}

bool Schema::was_set(std::string_view dotted_key) { return find(dotted_key, "was_set").was_set(); }

}  // namespace mom::config
