#include "mom/serve/json_form.h"

#include <cstdio>

namespace mom::serve {

JsonForm::JsonForm(std::string_view before, const OrderedJson& form, std::string_view after) {
  const std::string text = std::string(before) + form.dump() + std::string(after),
                    open = OrderedJson(kOpen).dump();
  size_t begin = 0;
  for (size_t at = 0; (at = text.find(open, begin)) != std::string::npos; begin = at + open.size())
    pieces_.push_back(text.substr(begin, at - begin));
  pieces_.push_back(text.substr(begin));
}

std::string JsonForm::with(std::initializer_list<std::string_view> values) const {
  size_t size = 0;
  for (const std::string& piece : pieces_) size += piece.size();
  for (const std::string_view value : values) size += value.size();
  std::string text;
  text.reserve(size);
  auto piece = pieces_.begin();
  for (const std::string_view value : values) text.append(*piece++).append(value);
  return text.append(*piece);
}

std::string json_text(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json.append({'\\', c});
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      json += c;
    } else if (const size_t at = std::string_view("\b\t\n\f\r").find(c); at != std::string_view::npos) {
      json.append({'\\', "btnfr"[at]});
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      json += escape;
    }
  }
  return json += '"';
}

}  // namespace mom::serve
