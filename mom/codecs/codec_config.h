// The config struct of a codec as JSON, for codec.json.
#pragma once

#include <string>
#include <string_view>

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/codecs/codec.h"
#include "mom/config/schema.h"

namespace mom::codecs {

Json schema_json(const config::Schema& schema);
void assign_schema(config::Schema& schema, const Json& values, std::string_view where);

// The values of a config struct as a JSON object.
template <class Config>
Json config_json(Config config) {
  config::Schema schema;
  config.describe(schema.table("", ""));
  return schema_json(schema);
}

// And back, checked. InputError naming the codec's folder: unknown keys, wrong types, values that do not go
// together.
template <class Config>
Config config_of(const CodecInfo& info) {
  const std::string where = (info.folder / "codec.json").string();
  Config config;
  config::Schema schema;
  config.describe(schema.table("", ""));
  assign_schema(schema, info.config, where);
  try {
    config.check();
  } catch (const UserError& error) {
    throw InputError(where + ": " + error.what());
  }
  return config;
}

}  // namespace mom::codecs
