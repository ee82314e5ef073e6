// Manifests of JSON that vouch for themselves: "hash" is the sha256 of the other keys, so that every damaged bit is found.
#pragma once

#include <string>

#include "mom/base/json.h"

namespace mom {

// sha256, as hex digits, of the object without "hash", as JSON without white space and with keys sorted by their bytes.
std::string manifest_hash(const Json& manifest);
// The object with "hash" behind its other keys.
OrderedJson with_hash(OrderedJson manifest);
// InputError where it is not the one stated. Manifests of other programs and older versions state none.
void check_hash(const Json& manifest, const std::string& where, const std::string& advice);

}  // namespace mom
