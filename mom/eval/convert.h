// `mom convert`: model folders into other model folders. No torch here.
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::eval {

// `modalities`: of a plain language model, which has only text; empty: those it has.
void convert_dense_to_mixture(const Path& from, const Path& out, const std::vector<std::string>& modalities,
                              const std::vector<std::string>& decoupled);

// `weights`: "bfloat16" or "int8".
void convert_quantize(const Path& from, const Path& out, const std::string& weights);

}  // namespace mom::eval
