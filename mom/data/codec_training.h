// Trains a codec on a documents folder: reads the config, draws training material from split "train" and
// held-out material from split "validation", and hands both to mom/codecs.
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/data/document.h"

namespace mom::data {

struct CodecTrainOptions {
  Path config;  // TOML: kind = "text" | "image_vae" | "vq_image" | "speech", and the table of that name
  std::vector<std::string> overrides;  // "image_vae.steps=100"
  Path documents;
  Path out;
  bool replace = false;
  int64_t steps = 0;  // in place of the config's; 0: those
};

// Returns {"kind", "hash", "seconds", "report": {...}}. UserError: a wrong config, no training material of
// that kind, `out` exists.
OrderedJson train_codec(const CodecTrainOptions& options);

// A fixed uniform number in [0, 1) for a document: those below p are a sample of share p.
double sample_draw(const Collection& collection, const Document& document);

// How much to take of each source so that together they give `budget` and no source gives more than it has:
// as evenly as the sources allow.
std::vector<uint64_t> even_shares(const std::vector<uint64_t>& sizes, uint64_t budget);

}  // namespace mom::data
