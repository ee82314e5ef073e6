// Documents -> encoded shards (mom/data/shard.h): texts become token ids, pictures latents, once, before training.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::data {

struct EncodeOptions {
  Path documents;
  std::vector<Path> codecs;  // at most one per modality
  Path out;
  bool replace = false;
  bool skip_bad = false;  // count and list documents that cannot be read instead of stopping at the first
  std::vector<std::string>
      without;           // modalities whose segments are left out, and documents that have nothing else
  int64_t variants = 4;  // views of each image: the image itself, and slightly shifted and scaled ones
};

// Returns {"documents", "skipped", "segments": {MODALITY: n}, "tokens": {MODALITY: n}, "shards", "seconds"}.
// The same input gives the same shards (latents: at the same number of threads). UserError: a modality
// without codec, two codecs of one modality, `out` exists. InputError: a bad document, by name.
OrderedJson encode_documents(const EncodeOptions& options);

}  // namespace mom::data
