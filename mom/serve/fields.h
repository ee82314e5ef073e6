// The fields of a JSON object of a request, each read once with its type and range. Null counts as absent. Errors name
// the field; fields that nobody asked for are errors, too.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "mom/base/json.h"
#include "mom/serve/api_error.h"

namespace mom::serve {

class Fields {
 public:
  // `path`: of the object in the body, "messages[0]"; empty: the body. ApiError: not an object.
  Fields(const Json& object, std::string path);

  const Json* find(const std::string& name);  // null: absent
  std::optional<std::string> text(const std::string& name);
  std::optional<bool> boolean(const std::string& name);
  std::optional<int64_t> integer(const std::string& name, int64_t low, int64_t high);
  std::optional<double> number(const std::string& name, double low, double high);
  std::string required_text(const std::string& name);
  const Json& required(const std::string& name, const std::string& expected);
  // Fields that other servers know and that would change nothing here.
  void ignore(std::initializer_list<const char*> names);
  // A field that may only have the value that changes nothing.
  void only(const std::string& name, const Json& value);
  // ApiError: there are others.
  void finish() const;

  std::string path_of(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }
  ApiError wrong(const std::string& name, const std::string& expected, const Json& found) const;

 private:
  const Json& object_;
  std::string path_;
  std::set<std::string> known_;
};

// A value in a message: its beginning, where it is long.
std::string shown(const Json& value);

}  // namespace mom::serve
