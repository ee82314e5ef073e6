#include "mom/quickstart/icon_set.h"

#include <algorithm>
#include <cctype>

#include "mom/base/error.h"
#include "mom/base/json.h"

namespace mom::quickstart {
namespace {

// The letters with accents that names of countries have.
std::string without_accents(std::string text) {
  constexpr std::pair<const char*, const char*> kLetters[] = {{"Å", "A"}, {"ã", "a"}, {"ç", "c"},
                                                              {"é", "e"}, {"í", "i"}, {"ñ", "n"},
                                                              {"ô", "o"}, {"ü", "u"}, {"’", ""}};
  for (const auto& [accented, plain] : kLetters)
    for (size_t at = text.find(accented); at != std::string::npos; at = text.find(accented))
      text.replace(at, std::string_view(accented).size(), plain);
  return text;
}

// Words of letters and digits, joined with "-".
std::string hyphenated(std::string_view text) {
  std::string name;
  bool gap = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (!std::isalnum(byte)) {
      gap = true;
      continue;
    }
    if (gap && !name.empty()) name += '-';
    gap = false;
    name += static_cast<char>(std::tolower(byte));
  }
  return name;
}

// One icon's SVG around its body. `box`: the icon or the set, whichever says it.
std::string whole_svg(const std::string& body, double width, double height) {
  const std::string box = std::to_string(width) + " " + std::to_string(height);
  return R"(<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 )" +
         box + "\">" + body + "</svg>";
}

}  // namespace

std::vector<std::string> icon_names(std::string_view emoji_name) {
  std::string text = without_accents(std::string(emoji_name));
  if (text == "keycap: #") return {"keycap-hashtag", "keycap-pound"};
  if (text == "keycap: *") return {"keycap-asterisk"};
  constexpr std::string_view kFlag = "flag: ";
  const std::string name = hyphenated(text);
  if (!text.starts_with(kFlag)) return {name};
  const std::string country = hyphenated(std::string_view(text).substr(kFlag.size()));
  return {name, "flag-for-" + country, "flag-for-flag-" + country};
}

IconSet::IconSet(const Path& icons_json) {
  const Json file = read_json(icons_json);
  const std::string where = icons_json.string();
  if (!file.is_object() || !file.contains("icons") || !file["icons"].is_object())
    throw InputError({where, "an Iconify icon set with \"icons\"", "another file", ""});
  const double width = json_number(file, "width", where), height = json_number(file, "height", where);
  for (const auto& [name, icon] : file["icons"].items())
    svg_by_name_[name] =
        whole_svg(json_string(icon, "body", where), icon.value("width", width), icon.value("height", height));
  // Mirrored and turned ones are left out: no set draws an emoji so that the others draw another way round.
  const Json aliases = file.value("aliases", Json::object());
  for (const auto& [name, alias] : aliases.items()) {
    if (alias.size() != 1) continue;
    const auto icon = svg_by_name_.find(json_string(alias, "parent", where));
    if (icon != svg_by_name_.end()) svg_by_name_.emplace(name, icon->second);
  }
}

std::string IconSet::svg(const std::vector<std::string>& names) const {
  for (const std::string& name : names)
    if (const auto found = svg_by_name_.find(name); found != svg_by_name_.end()) return found->second;
  return {};
}

}  // namespace mom::quickstart
