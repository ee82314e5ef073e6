// Training batches in an order that the seed fixes, with a state of a few numbers that resumes it exactly;
// and held-out batches that are the same for every model.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/config/fwd.h"
#include "mom/data/batch.h"
#include "mom/data/packer.h"
#include "mom/data/shard.h"

namespace mom::data {

// [data] of a recipe.
struct DataConfig {
  std::string path;               // encoded data
  int64_t sequence_tokens = 512;  // longest packed sequence
  int64_t batch_tokens = 4096;    // tokens per step, over all microbatches
  config::Weights mixture;        // source -> share of the tokens; empty: see describe()
  // The state starts anew with each document; false: it flows through, as in the authors' code.
  bool reset_state = true;
  double caption_first = 0.8;
  double condition_drop = 0.1;  // of training documents; held-out ones keep their text
  void describe(config::Table& table);
};

// Documents of one source and split over all its shards.
struct SourceView {
  std::string source;
  std::vector<std::pair<const Shard*, int64_t>> documents;
  int64_t num_tokens = 0;    // of discrete modalities, without specials, in one variant
  int64_t num_latents = 0;   // items of latents of all modalities
  bool has_streams = false;  // items of codes of any number: speech
};
std::vector<SourceView> sources_of(const EncodedDataset& dataset, const std::string& split);

// Of the microbatches of a step those that a process computes: `count` of them, first, first + stride, ...
struct Share {
  int64_t first = 0, count = 0, stride = 1;
  bool has(int64_t microbatch) const {
    const int64_t behind = microbatch - first;
    return behind >= 0 && behind % stride == 0 && behind / stride < count;
  }
};

class Loader {
 public:
  // UserError: a mixture that names an unknown source, no training data, a sequence too short for a picture.
  Loader(std::shared_ptr<const EncodedDataset> dataset, const DataConfig& config,
         const modality::PatchSizes& patch_size, uint64_t seed);
  ~Loader();

  // The microbatches of the next step; together at most batch_tokens.
  std::vector<Batch> next(int64_t num_microbatches) {
    return next(num_microbatches, {0, num_microbatches}).batches;
  }
  // The same step where several processes share it: the batches of one, and the counts of all.
  struct Step {
    std::vector<Batch> batches;
    std::vector<BatchCounts> counts;
  };
  Step next(int64_t num_microbatches, const Share& share);

  Json state() const;
  void restore(const Json& state);  // InputError when it is of other data

 private:
  struct Cursor;
  LaidOut peek(size_t source);
  void fill_sequence(BatchBuilder& builder);
  int pick(bool divisible_only);

  std::shared_ptr<const EncodedDataset> dataset_;
  DataConfig config_;
  LayOutOptions layout_;
  uint64_t seed_;
  int64_t num_batches_ = 0;
  std::vector<Cursor> cursors_;
};

// The documents of `split` and `source` in their order (every n-th, so that it is about max_tokens; 0: all),
// packed as in training, without augmentation. The same for every model and seed.
std::vector<Batch> held_out_batches(const EncodedDataset& dataset, const std::string& source,
                                    const std::string& split, const DataConfig& config,
                                    const modality::PatchSizes& patch_size, int64_t max_tokens);

LayOutOptions layout_options(const EncodedDataset& dataset, const DataConfig& config,
                             const modality::PatchSizes& patch_size);
// The same for held-out documents: all of their text, pictures as they are.
LayOutOptions held_out_layout(const EncodedDataset& dataset, const DataConfig& config,
                              const modality::PatchSizes& patch_size);

}  // namespace mom::data
