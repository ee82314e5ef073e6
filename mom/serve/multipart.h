// Forms with files: multipart/form-data (RFC 7578).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mom::serve {

struct FormPart {
  std::string name, file_name, content;
};

// ApiError: another content type, no boundary, parts without a name, a missing end, more parts than 64.
std::vector<FormPart> parse_form(std::string_view body, std::string_view content_type);

}  // namespace mom::serve
