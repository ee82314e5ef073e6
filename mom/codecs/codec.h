// What all codecs share: a codec is a folder that names itself by content.
//
//   codec.json           {"format": "mom-codec", "version": 1, "kind": one of codec_kinds.h,
//                         "modality": the name of what it encodes, "hash": sha256 hex of the folder but for this value,
//                         "files": {path: sha256 of every other file},
//                         "config": {...}, "report": {held-out figures}}
//   tokenizer.model      (text) SentencePiece
//   model.safetensors    (others) weights
//   report/              (image) originals beside reconstructions, PNG; (speech) sounds to listen to
//
// Encoded data and runs store the hash, and refuse a codec with another one. Format: docs/formats/codec.md
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/codecs/media.h"
#include "mom/modality/modality.h"

namespace mom::codecs {

struct CodecInfo {
  Path folder;
  std::string kind;      // "text", "image_vae", "vq_image", "speech", "external"
  std::string modality;  // the name of what it encodes
  std::string hash;      // 64 hex digits
  Json config;
  Json report;
};

// Reads codec.json and recomputes the hash: a folder that was changed by hand or damaged is an InputError, which names the file.
CodecInfo read_codec_info(const Path& folder);

// Finishes a codec folder that holds all its other files: writes codec.json with the hash, which is the
// sha256 of "SHA256  RELATIVE/PATH\n" for every other file in order of path, followed by codec.json's own
// text without "hash".
void write_codec_info(const Path& folder, const std::string& kind, const std::string& modality,
                      const Json& config, const Json& report);

struct RoundtripOptions;  // roundtrip.h

class Codec {
 public:
  virtual ~Codec() = default;
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;

  const CodecInfo& info() const { return info_; }
  virtual MediaKind media() const = 0;
  // What it makes of its media: named as codec.json says, without ids yet.
  virtual modality::Modality modality() const = 0;
  virtual int64_t num_ids() const = 0;  // ids it needs in the joint vocabulary; 0: latents
  // What dataset.json says of it beside hash and kind, where `variants` views of an item are encoded.
  virtual OrderedJson describe(int64_t variants) const;
  // Encodes `file`, publishes what comes back as `out` and says what was lost (roundtrip.h).
  virtual OrderedJson roundtrip(const RoundtripOptions& options) const = 0;

 protected:
  // InputError: a folder of another kind.
  Codec(CodecInfo info, const char* kind);

 private:
  CodecInfo info_;
};

// An item as its codec gives it: codes or latents.
struct CodedItem {
  std::vector<int32_t> codes = {};   // from 0, below num_ids()
  std::vector<int32_t> counts = {};  // how many in a row each stands for; empty: 1 each
  at::Tensor latents_CHW = {};       // f32
};

// A codec of files: images, sounds and arrays. It is used by several threads at once.
class MediaCodec : public Codec {
 public:
  // Views of a file that are encoded where `variants` are asked for: so many, or one where the medium has no others.
  virtual int64_t num_views(int64_t /*variants*/) const { return 1; }
  // A file's content as encode_items() takes it: the item as it is, and behind it views that differ slightly,
  // num_views(variants) in all. They are a function of the content, `key` and the
  // view's number. InputError beginning with `where`.
  virtual std::vector<at::Tensor> read(std::span<const std::byte> bytes, std::string_view where,
                                       int64_t variants, std::string_view key) const = 0;
  // Whether many items at once are encoded faster than each alone.
  virtual bool prefers_batches() const = 0;
  virtual std::vector<CodedItem> encode_items(const std::vector<at::Tensor>& inputs) const = 0;
  virtual std::vector<Media> decode_items(const std::vector<CodedItem>& items) const = 0;
  Media decode_item(const CodedItem& item) const { return decode_items({item}).front(); }

 protected:
  using Codec::Codec;
};

}  // namespace mom::codecs
