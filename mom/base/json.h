// JSON values are nlohmann::json. Anything read from outside goes through parse_json: it bounds size and
// depth and refuses duplicate keys, so that no later code has to.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "mom/base/files.h"

namespace mom {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // keeps the order keys were added in: for what people read

struct JsonLimits {
  size_t max_bytes = size_t{64} << 20;
  int max_depth = 64;
};

// `where` names the source in errors: "FILE" or "FILE:LINE". Throws InputError with the byte of the fault.
Json parse_json(std::string_view text, std::string_view where, const JsonLimits& limits = {});
// The same with keys in the order of the text: an object is searched from its start, so for small ones.
OrderedJson parse_ordered_json(std::string_view text, std::string_view where, const JsonLimits& limits = {});
Json read_json(const Path& path, const JsonLimits& limits = {});
void publish_json(const Path& path, const OrderedJson& value);  // indented, atomic

// Typed access with good errors: "WHERE: expected \"key\" as a string, found ...".
std::string json_string(const Json& object, const char* key, std::string_view where);
int64_t json_int(const Json& object, const char* key, std::string_view where);
uint64_t json_count(const Json& object, const char* key, std::string_view where);  // an integer not below 0
double json_number(const Json& object, const char* key, std::string_view where);

}  // namespace mom
