// Collects encoded documents and writes them as one shard. The layout is described in mom/data/shard.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::data {

struct EncodedSegment {
  uint8_t modality = 0;                     // index into the data set's modalities
  std::vector<std::vector<int32_t>> parts;  // text: the text, then each keyword; codes: each variant
  std::vector<int16_t> repeats;             // of the codes of part 0; empty: all 1
  std::vector<uint16_t> latents;            // f16 bits of [K, C, H, W]
  size_t latents_number = 0;                // which modality of latents they are of
};

struct EncodedDocument {
  bool free_order = false;
  std::vector<EncodedSegment> segments;
};

struct ShardFormat {
  struct Latents {
    std::string name;  // of the tensor
    int64_t num_variants = 0;
    std::vector<int64_t> shape = {};  // [C, H, W]
  };
  std::vector<Latents> latents = {};  // by number
  std::vector<int32_t> colon = {}, comma = {};
};

class ShardWriter {
 public:
  explicit ShardWriter(ShardFormat format) : format_(std::move(format)), latents_(format_.latents.size()) {}
  void add(const EncodedDocument& document);
  uint64_t num_bytes() const;
  int64_t num_documents() const { return static_cast<int64_t>(free_.size()); }
  void write(const Path& path) const;

 private:
  ShardFormat format_;
  std::vector<int64_t> document_segments_{0}, segment_parts_{0}, segment_latent_, part_tokens_{0};
  std::vector<uint8_t> free_, modality_;
  std::vector<int32_t> tokens_;
  struct Items {
    std::vector<uint16_t> values;
    int64_t count = 0;
  };
  std::vector<Items> latents_;  // by number
  std::vector<int16_t> repeats_;
  bool any_repeats_ = false;
};

}  // namespace mom::data
