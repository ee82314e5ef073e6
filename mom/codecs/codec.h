// What all codecs share: a codec is a folder that names itself by content.
//
//   codec.json           {"format": "mom-codec", "version": 1, "kind": "text" | "image_vae" | "vq_image" | "speech",
//                         "modality": "text" | "image" | "speech", "hash": sha256 hex of the folder but for this value,
//                         "config": {...}, "report": {held-out figures}}
//   tokenizer.model      (text) SentencePiece
//   model.safetensors    (image, speech) weights
//   report/              (image) originals beside reconstructions, PNG; (speech) sounds to listen to
//
// Encoded data and runs store the hash, and refuse a codec with another one. Format: docs/formats/codec.md
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/config/schema.h"

namespace mom::codecs {

struct CodecInfo {
  Path folder;
  std::string kind;      // "text", "image_vae", "vq_image", "speech"
  std::string modality;  // "text", "image", "speech"
  std::string hash;      // 64 hex digits
  Json config;
  Json report;
};

// Reads codec.json and recomputes the hash: a folder that was changed by hand or damaged is an InputError.
CodecInfo read_codec_info(const Path& folder);

// Finishes a codec folder that holds all its other files: writes codec.json with the hash, which is the
// sha256 of "SHA256  RELATIVE/PATH\n" for every other file in order of path, followed by codec.json's own
// text without "hash".
void write_codec_info(const Path& folder, const std::string& kind, const std::string& modality,
                      const Json& config, const Json& report);

Json schema_json(const config::Schema& schema);
void assign_schema(config::Schema& schema, const Json& values, std::string_view where);

// The values of a config struct as a JSON object, and back (unknown keys and wrong types: InputError naming `where`).
template <class Config>
Json config_json(Config config) {
  config::Schema schema;
  config.describe(schema.table("", ""));
  return schema_json(schema);
}
template <class Config>
Config config_from_json(const Json& values, std::string_view where) {
  Config config;
  config::Schema schema;
  config.describe(schema.table("", ""));
  assign_schema(schema, values, where);
  return config;
}

}  // namespace mom::codecs
