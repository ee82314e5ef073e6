// What all codecs share: a codec is a folder that names itself by content.
//
//   codec.json           {"format": "mom-codec", "version": 1, "kind": "text" | "image_vae", "modality": "text" | "image",
//                         "hash": sha256 hex of everything below but itself, "config": {...}, "report": {held-out figures}}
//   tokenizer.model      (text) SentencePiece            model.safetensors   (image) weights
//   report/              (image) originals beside reconstructions, PNG
//
// Encoded data and runs store the hash, and refuse a codec with another one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::codecs {

struct CodecInfo {
  Path folder;
  std::string kind;      // "text", "image_vae"
  std::string modality;  // "text", "image"
  std::string hash;      // 64 hex digits
  Json config;
  Json report;
};

// Reads codec.json and recomputes the hash: a folder that was changed by hand or damaged is an InputError.
CodecInfo read_codec_info(const Path& folder);

}  // namespace mom::codecs
