#include "mom/base/manifest.h"

#include "mom/base/error.h"
#include "mom/base/hash.h"

namespace mom {
namespace {

constexpr const char* kHash = "hash";

}  // namespace

std::string manifest_hash(const Json& manifest) {
  Json others = manifest;
  others.erase(kHash);
  return sha256_hex(others.dump());
}

OrderedJson with_hash(OrderedJson manifest) {
  manifest.erase(kHash);
  manifest[kHash] = manifest_hash(Json(manifest));
  return manifest;
}

void check_hash(const Json& manifest, const std::string& where, const std::string& advice) {
  if (!manifest.is_object() || !manifest.contains(kHash)) return;
  const std::string stated = json_string(manifest, kHash, where), found = manifest_hash(manifest);
  if (stated == found) return;
  throw InputError({where, "content with the hash " + stated, found,
                    "it was changed or damaged: " + advice + " (without \"hash\" it is not checked)"});
}

}  // namespace mom
