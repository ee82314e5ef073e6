// Encoded data: documents turned into token ids and latents, as safetensors that any tool can open.
//
//   dataset.json      {"format": "mom-encoded", "version": 1, "modalities": ["text", "image"],
//                      "codecs": {"text": {"hash", "kind", "vocabulary"}, "image": {"hash", "kind",
//                      "latent_shape": [C, H, W], "variants": K}}, "skipped": n, "shards": [{"source",
//                      "split", "file", "documents", "segments": {..}, "tokens": {"text": n, "image": n}}]}
//                     (image tokens are counted as patches of 2x2 latent pixels)
//   SPLIT-SOURCE-00000.safetensors
//   codecs/text/, codecs/image/      copies of the codecs, so that the folder is all a run needs
//
// Tensors of a shard (offsets are CSR: entry i spans [offset[i], offset[i+1])):
//   document_segments  i64 [documents + 1]    document -> segments
//   document_free      u8  [documents]        1: the loader draws the order (80% text first)
//   segment_modality   u8  [segments]         index into modalities
//   segment_parts      i64 [segments + 1]     segment -> parts; text: part 0 is the text, parts 1.. the
//   keywords; discrete codes: one part; latents: none segment_latent     i64 [segments]         row in
//   latents, or -1 part_tokens        i64 [parts + 1]        part -> tokens tokens             i32 [tokens]
//   ids without specials latents            f16 [images, K, C, H, W]   K variants: 0 the picture as it
//   is, 1.. slightly shifted and scaled. Absent without pictures.
// A text's keyword parts are encoded with their leading space; the loader joins them with the ids of ":" and
// ",", stored as metadata "colon" and "comma" (space-separated ids).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/formats/safetensors.h"

namespace mom::data {

struct Shard {
  std::string source, split;
  std::shared_ptr<formats::SafetensorsReader> file;
  std::span<const int64_t> document_segments, segment_parts, segment_latent, part_tokens;
  std::span<const uint8_t> document_free, segment_modality;
  std::span<const int32_t> tokens;
  std::span<const uint16_t> latents;  // f16 bits
  int64_t num_variants = 0;
  std::vector<int64_t> latent_shape;  // [C, H, W]; empty without pictures
  std::vector<int32_t> colon, comma;

  int64_t num_documents() const { return static_cast<int64_t>(document_segments.size()) - 1; }
};

struct EncodedDataset {
  Path folder;
  std::vector<std::string> modalities;
  std::string text_codec_hash, image_codec_hash;  // empty when there is no such modality
  int64_t vocabulary = 0;
  std::vector<int64_t> latent_shape;
  std::vector<Shard>
      shards;  // all offsets checked: rising, in bounds; ids < vocabulary; modality < modalities.size()
  Json manifest;
};

// InputError: not an encoded folder, a shard missing or damaged, a codec copy whose hash is not the one
// stated.
EncodedDataset open_encoded(const Path& folder);

}  // namespace mom::data
