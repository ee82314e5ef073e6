// `mom codec describe`: the folder of a codec from outside (codecs/external_codec.h), from what the user says of it and from
// what its items in documents are like.
#pragma once

#include <optional>
#include <string>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::data {

struct CodecDescribeOptions {
  Path documents;  // with encoded segments of the modality
  std::string name;
  Path out;
  bool replace = false;
  std::string representation;  // "codes" or "latents"; empty: integers are codes, floats are latents
  std::optional<int64_t> codebook_size;  // of codes: needed, because the data need not hold the last one
  std::string length;  // of codes, "fixed" or "variable"; empty: fixed where all items have one length
  std::string grid;    // "16x16": of codes that are stored as a list
  double rate_hz = 0;
  std::string note, decode, decodes_to;
};

// Reads every item of all splits; latents are measured on split "train". Returns {"kind", "modality", "hash", "config",
// "report"}. UserError: options that do not go together, or not with the data. InputError: an item that is unlike the
// others, by name.
OrderedJson describe_codec(const CodecDescribeOptions& options);

}  // namespace mom::data
