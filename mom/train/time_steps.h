// `mom bench train`: whole training steps of a recipe on its own data, apart from evaluation and checkpoints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mom/base/json.h"

namespace mom::train {

// Of `steps` steps after three of warm-up: their median, step_ms, cut into parts by their shares of all steps' time
// (data_ms, forward_ms, backward_ms, optimizer_ms), tokens_per_s, peak_rss_bytes, training_bytes (what training took from the
// allocator; 0 with another than jemalloc), model_flops_per_s, and the rate of one GEMM of the recipe's size,
// gemm_peak_flops_per_s.
OrderedJson time_steps(const std::string& recipe_file, const std::vector<std::string>& overrides,
                       int64_t steps);

}  // namespace mom::train
