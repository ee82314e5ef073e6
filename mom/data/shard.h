// Encoded data: documents turned into token ids and latents, as safetensors that any tool can open.
//
//   dataset.json      {"format": "mom-encoded", "version": 3,
//                      "modalities": [...], "vocabulary": {...}, "modality_table": {...}
//                                                                              (modality/vocabulary.h),
//                      "codecs": {"text": {"hash", "kind"},
//                                 "image": {"hash", "kind", "variants": K},
//                                 "speech": {"hash", "kind", "code_rate_hz", "deduplicated"}},
//                      "skipped": n,
//                      "shards": [{"source", "split", "file", "sha256", "documents", "segments": {"text": n, ...},
//                                  "tokens": {"text": n, ...}}],
//                      "hash": of the manifest itself (base/manifest.h)}
//                     Version 4 where there are several modalities of latents. Tokens of latents are counted as patches of 2 x 2 latent pixels, those of images in one
//                     variant. Version 2 has no modality_table (older_modality_table).
//   SPLIT-SOURCE-00000.safetensors
//   codecs/text/, codecs/image/ ...  copies of the codecs, so that the folder is all a run needs
//
// Tensors of a shard (offsets are CSR: entry i spans [offset[i], offset[i+1])):
//   document_segments  i64 [documents + 1]    document -> segments
//   document_free      u8  [documents]        1: the loader draws the order; at most one segment per modality
//   segment_modality   u8  [segments]         index into modalities
//   segment_parts      i64 [segments + 1]     segment -> parts. Text: part 0 is the text, parts 1.. the keywords.
//                                             Codes: one part per variant, 0 the image as it is. Latents: none
//   segment_latent     i64 [segments]         row in its modality's latents, or -1
//   part_tokens        i64 [parts + 1]        part -> tokens
//   tokens             i32 [tokens]           ids of the joint vocabulary, without specials
//   token_repeats      i16 [tokens]           frames a speech code stands for, 1 elsewhere. Only where a codec merges
//                                             repeated codes
//   latents            f16 [items, K, C, H, W]   K variants: 0 the item as it is, 1.. slightly shifted and scaled. Only
//                                             with a modality of latents and items. Of several modalities each has its own,
//                                             latents.MODALITY (version 4)
// A text's keyword parts are encoded with their leading space; the loader joins them with the ids of ":" and ",", stored
// as metadata "colon" and "comma" (space-separated ids). Format: docs/formats/encoded.md
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
#include "mom/modality/vocabulary.h"

namespace mom::codecs {
class CodecSet;
}

namespace mom::data {

struct Shard {
  std::string source, split;
  std::string sha256;  // of the file; empty: dataset.json does not say
  std::shared_ptr<formats::SafetensorsReader> file;
  std::span<const int64_t> document_segments, segment_parts, segment_latent, part_tokens;
  std::span<const uint8_t> document_free, segment_modality;
  std::span<const int32_t> tokens;
  std::span<const int16_t> token_repeats;  // empty: all 1
  // Of one modality of latents; empty where the shard has none.
  struct Latents {
    std::span<const uint16_t> values;  // f16 bits
    int64_t num_variants = 0;
  };
  std::vector<Latents> latents;  // by number (modality::Vocabulary::continuous)
  std::vector<int32_t> colon, comma;

  int64_t num_documents() const { return static_cast<int64_t>(document_segments.size()) - 1; }
};

struct EncodedDataset {
  Path folder;
  modality::Vocabulary vocabulary;                  // the modalities, by index
  std::map<std::string, std::string> codec_hashes;  // by modality
  // All offsets checked: rising, in bounds; ids inside their modality; segment_modality below the modalities.
  std::vector<Shard> shards;
  Json manifest;

  std::vector<std::string> modalities() const { return vocabulary.names(); }
};

// The tensor of a shard that has the latents of a modality.
std::string latents_name(const modality::Vocabulary& vocabulary, size_t number);

// The codecs in the folder, which open_encoded has found to be those of the data.
codecs::CodecSet codecs_of(const EncodedDataset& dataset);

// Names what a training sees of the data: codecs, and source, split and bytes of every shard.
std::string content_sha256(const EncodedDataset& dataset);

// InputError: not an encoded folder, a shard missing or damaged, a codec copy whose hash is not the one stated.
EncodedDataset open_encoded(const Path& folder);

}  // namespace mom::data
