// Text from outside inside HTML, XML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace mom {

std::string escape(std::string_view text);  // & < > " '

}  // namespace mom
