// Collects encoded documents and writes them as one shard. The layout is described in mom/data/shard.h.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::data {

struct EncodedSegment {
  uint8_t modality = 0;                     // index into the data set's modalities
  std::vector<std::vector<int32_t>> parts;  // text: the text, then each keyword; codes: each variant
  std::vector<int16_t> repeats;             // of the codes of part 0; empty: all 1
  std::vector<uint16_t> latents;            // image: f16 bits of [K, C, H, W]
};

struct EncodedDocument {
  bool free_order = false;
  std::vector<EncodedSegment> segments;
};

struct ShardFormat {
  int64_t num_variants = 0;
  std::array<int64_t, 3> latent_shape{};  // C, H, W; zeros without pictures
  std::vector<int32_t> colon, comma;
};

class ShardWriter {
 public:
  explicit ShardWriter(ShardFormat format) : format_(std::move(format)) {}
  void add(const EncodedDocument& document);
  uint64_t num_bytes() const { return tokens_.size() * sizeof(int32_t) + latents_.size() * sizeof(uint16_t); }
  int64_t num_documents() const { return static_cast<int64_t>(free_.size()); }
  void write(const Path& path) const;

 private:
  ShardFormat format_;
  std::vector<int64_t> document_segments_{0}, segment_parts_{0}, segment_latent_, part_tokens_{0};
  std::vector<uint8_t> free_, modality_;
  std::vector<int32_t> tokens_;
  std::vector<uint16_t> latents_;
  std::vector<int16_t> repeats_;
  bool any_repeats_ = false;
  int64_t num_images_ = 0;
};

}  // namespace mom::data
