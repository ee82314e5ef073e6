// Documents -> packed batches. A document becomes
//   <bos> [text tokens | <boi> patches <eoi>]... <eos>
// and documents stand one after another in sequences of at most `sequence_tokens`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mom/base/random.h"
#include "mom/data/batch.h"
#include "mom/data/shard.h"

namespace mom::data {

// One position before packing: a token id, or -1 - k for a patch of the document's k-th picture.
struct Position {
  int32_t token;
  uint8_t modality;
};

struct PictureRef {
  const Shard* shard;
  int64_t row, variant;
};

// A document laid out as positions, ready to be packed.
struct LaidOut {
  std::vector<Position> positions;
  std::vector<PictureRef> pictures;
  bool divisible() const {
    return pictures.empty();
  }  // text may be cut at a sequence's end, pictures may not
};

struct LayOutOptions {
  int64_t patches_per_image = 0;
  int64_t text_modality = 0, image_modality = -1;
  double caption_first = 0.8;  // chance that text comes first where the order is free
  bool augment = true;         // false: all keywords in their order, the picture as it is
};

// Draws order, keywords and the pictures' variants from `random`.
LaidOut lay_out(const Shard& shard, int64_t document, const LayOutOptions& options, RandomStream random);

// Collects laid-out documents and makes the batch's tensors, routing and targets.
class BatchBuilder {
 public:
  BatchBuilder(const LayOutOptions& options, int64_t num_modalities, std::vector<int64_t> latent_shape,
               bool reset_state);
  // Appends positions [begin, end) of `document`. Pictures go with the range they lie in (a picture is never
  // cut).
  void add(const LaidOut& document, int64_t begin, int64_t end);
  void end_sequence();
  int64_t num_tokens() const { return static_cast<int64_t>(positions_.size()); }
  Batch finish(uint64_t noise_key);

 private:
  LayOutOptions options_;
  int64_t num_modalities_;
  std::vector<int64_t> latent_shape_;
  bool reset_state_;
  std::vector<Position> positions_;
  std::vector<uint8_t> continues_;  // the next position belongs to the same document
  std::vector<int64_t> offsets_ = {0};
  std::vector<PictureRef> pictures_;
};

}  // namespace mom::data
