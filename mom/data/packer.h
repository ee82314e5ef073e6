// Documents -> packed batches. A document becomes
//   <bos> [text tokens | begin token, patches or codes, end token of another modality]... <eos>
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

struct PictureRef {
  const Shard* shard;
  size_t latents;  // the number of its modality (modality::Vocabulary::continuous)
  int64_t row, variant;
  bool image_first = false;  // text of its document follows, and none comes before it
};
// Clean latents of pictures of one modality, f32 [I, C, H, W].
at::Tensor latents_of(const std::vector<PictureRef>& pictures, const std::vector<int64_t>& latent_shape);

// A document laid out, ready to be packed.
struct LaidOut {
  std::vector<int32_t> positions;    // an id of the joint vocabulary, or -1 - m for a patch of modality m
  std::vector<PictureRef> pictures;  // as latents, in their order
  bool divisible = true;             // may be cut at a sequence's end: no item of a fixed length in it
};

struct LayOutOptions {
  modality::Vocabulary vocabulary;
  // Chance that text comes first in a document of free order of text and an item of fixed length (an image).
  double caption_first = 0.8;
  double condition_drop = 0;  // chance that text before the first item of fixed length is left out
  bool augment = true;        // false: all keywords in their order, variant 0

  // The modality of a position: its token's, or that of its patch.
  int64_t modality_of(int32_t position) const;
};

// Draws order, keywords, the items' variants and whether text is dropped from `random`. Free order: text
// first with caption_first where there are just text and an item of fixed length, else every order is equally
// likely.
LaidOut lay_out(const Shard& shard, int64_t document, const LayOutOptions& options, RandomStream random);

// Collects laid-out documents and makes the batch's tensors, routing and targets.
class BatchBuilder {
 public:
  BatchBuilder(const LayOutOptions& options, bool reset_state);
  // Appends positions [begin, end) of `document`. Images go with the range they lie in (an image is never cut).
  void add(const LaidOut& document, int64_t begin, int64_t end);
  void end_sequence();
  int64_t num_tokens() const { return static_cast<int64_t>(positions_.size()); }
  BatchCounts counts() const;
  Batch finish(uint64_t noise_key);
  void clear();  // as if nothing had been added

 private:
  bool predicts(int64_t t) const;  // position t the next token
  LayOutOptions options_;
  bool reset_state_;
  std::vector<int32_t> positions_;
  std::vector<uint8_t> continues_;  // the next position belongs to the same document
  std::vector<int64_t> offsets_ = {0};
  std::vector<PictureRef> pictures_;
};

}  // namespace mom::data
