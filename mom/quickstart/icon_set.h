// Iconify's icon sets (npm packages @iconify-json/NAME): one JSON file with the bodies of many SVG icons by name.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"

namespace mom::quickstart {

// The names an emoji may have in such a set: "red apple" is "red-apple", "flag: Italy" is "flag-italy",
// "flag-for-italy" or "flag-for-flag-italy". Lower-case ASCII.
std::vector<std::string> icon_names(std::string_view emoji_name);

class IconSet {
 public:
  // InputError when the file is not an icon set.
  explicit IconSet(const Path& icons_json);
  // A whole SVG: that of the first of these names which the set has, also as another name of an icon. Empty: none.
  std::string svg(const std::vector<std::string>& names) const;

 private:
  std::map<std::string, std::string, std::less<>> svg_by_name_;
};

}  // namespace mom::quickstart
