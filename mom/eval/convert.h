// `mom convert`: model folders into other model folders. No torch here.
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::eval {

// `modalities`: of a plain language model, which has only text; empty: those it has.
void convert_dense_to_mixture(const Path& from, const Path& out, const std::vector<std::string>& modalities,
                              const std::vector<std::string>& decoupled);

struct AddModality {
  Path from, out;
  std::string modality;
  Path data;          // encoded data that has it, and says what it is; empty: as said here
  int64_t codes = 0;  // ids of its own, 0: as many as the papers' speech or images have
};
// A model with one more modality: new rows, and own weights that begin as text's (models/grow.h).
void convert_add_modality(const AddModality& options);

// `weights`: "bfloat16" or "int8".
void convert_quantize(const Path& from, const Path& out, const std::string& weights);

}  // namespace mom::eval
