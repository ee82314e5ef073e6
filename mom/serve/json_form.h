// JSON that is written again and again and differs in a few values, for events of which each token has one: what is between
// the values is made once, by the library, and they are put in as text.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/json.h"

namespace mom::serve {

class JsonForm {
 public:
  // A value of the form that is given later.
  static constexpr const char* kOpen = "\x01";
  // `before` and `after` stand around the JSON.
  JsonForm(std::string_view before, const OrderedJson& form, std::string_view after);
  // The values, JSON each, in the order in which they stand in the form.
  std::string with(std::initializer_list<std::string_view> values) const;

 private:
  std::vector<std::string> pieces_;  // one more than values
};

// UTF-8 as a JSON string, as the library writes it.
std::string json_text(std::string_view text);

}  // namespace mom::serve
