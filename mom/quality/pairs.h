// Documents of a caption with one image, or with one recording: what generation is evaluated on.
#pragma once

#include <string>
#include <vector>

#include "mom/data/shard.h"
#include "mom/generate/segments.h"
#include "mom/train/recipe.h"

namespace mom::quality {

struct Pair {
  std::string source;
  std::vector<int32_t> caption;  // ids, with all keywords in their order
  generate::Segment media;       // the unaugmented image, or the recording
};

// Of `split`, in the order of the data: documents with one text and one segment of `modality`, whatever else
// is in them.
std::vector<Pair> pairs_of(const data::EncodedDataset& dataset, const train::Recipe& recipe,
                           const std::string& split, const std::string& modality);

// The indices of the first pair of each caption of each source.
std::vector<size_t> first_of_each_caption(const std::vector<Pair>& pairs);

// 0, 1, ..., count - 1.
std::vector<size_t> all_indices(size_t count);

// `count` of them, evenly spread; starting over where there are fewer.
std::vector<size_t> spread(const std::vector<size_t>& from, int64_t count);

// The start of a document that comes with this caption, up to where its image begins.
generate::Feed caption_prompt(const std::vector<int32_t>& caption, const std::string& modality,
                              const modality::Vocabulary& vocabulary);

// For each of `asked`, indices of the pairs whose captions it is distinguished from: its own first, then others drawn
// from its source, each caption at most once. Fewer than `among` where there are no more.
std::vector<std::vector<size_t>> draw_candidates(const std::vector<Pair>& pairs,
                                                 const std::vector<size_t>& asked, int64_t among,
                                                 uint64_t seed);

}  // namespace mom::quality
