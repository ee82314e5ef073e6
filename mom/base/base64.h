// Base64 (RFC 4648, section 4), with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mom {

std::string encode_base64(std::string_view bytes);
// Nothing where it is not base64: a foreign character, a wrong length or padding. No whitespace.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace mom
