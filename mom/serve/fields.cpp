#include "mom/serve/fields.h"

#include <utility>

#include "mom/base/nearest.h"
#include "mom/base/utf8.h"

namespace mom::serve {
namespace {

constexpr size_t kShown = 60;

}  // namespace

std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list of " + std::to_string(value.size());
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= kShown ? text : printable(text.substr(0, kShown)) + "...";
}

Fields::Fields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object.is_object()) throw wrong_field(path_.empty() ? "body" : path_, "an object", shown(object));
}

ApiError Fields::wrong(const std::string& name, const std::string& expected, const Json& found) const {
  return wrong_field(path_of(name), expected, shown(found));
}

const Json* Fields::find(const std::string& name) {
  known_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> Fields::text(const std::string& name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) throw wrong(name, "a string", *value);
  return value->get<std::string>();
}

std::optional<bool> Fields::boolean(const std::string& name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) throw wrong(name, "true or false", *value);
  return value->get<bool>();
}

std::optional<int64_t> Fields::integer(const std::string& name, int64_t low, int64_t high) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  const std::string expected = "an integer from " + std::to_string(low) + " to " + std::to_string(high);
  const bool fits = value->is_number_integer() &&
                    !(value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX});
  if (!fits || value->get<int64_t>() < low || value->get<int64_t>() > high)
    throw wrong(name, expected, *value);
  return value->get<int64_t>();
}

std::optional<double> Fields::number(const std::string& name, double low, double high) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  const bool fits = value->is_number() && value->get<double>() >= low && value->get<double>() <= high;
  if (!fits) throw wrong(name, "a number from " + Json(low).dump() + " to " + Json(high).dump(), *value);
  return value->get<double>();
}

const Json& Fields::required(const std::string& name, const std::string& expected) {
  const Json* value = find(name);
  if (!value) throw wrong_field(path_of(name), expected, "none");
  return *value;
}

std::string Fields::required_text(const std::string& name) {
  required(name, "a string");
  return *text(name);
}

void Fields::ignore(std::initializer_list<const char*> names) { known_.insert(names.begin(), names.end()); }

void Fields::only(const std::string& name, const Json& value) {
  const Json* found = find(name);
  if (found && *found != value) throw wrong(name, value.dump() + ", the only value here", *found);
}

void Fields::finish() const {
  for (const auto& [name, value] : object_.items()) {
    if (known_.count(name)) continue;
    const std::string near = nearest(name, {known_.begin(), known_.end()});
    throw ApiError(400,
                   "unknown field " + path_of(name) + (near.empty() ? "" : "; did you mean " + near + "?"),
                   path_of(name), "unknown_parameter");
  }
}

}  // namespace mom::serve
