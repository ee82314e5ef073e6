// How evenly a run's routers use their experts: choices over the last fifth of the training steps, and the
// curves of what its log says about routing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mom/runs/run_folder.h"

namespace mom::report {

// The choices of one group of tokens: a block's row has one entry per expert, which sum to 1 (or are all 0).
struct ExpertShares {
  std::string modality;  // "all tokens" for the sum over them
  std::map<int64_t, std::vector<double>> by_block;
};

struct ExpertUse {
  int64_t first_step = 0, last_step = 0, num_experts = 0;
  std::vector<ExpertShares> shares;             // all tokens, then the modalities
  std::optional<double> dropped, balance;       // means over these steps
  std::optional<double> entropy;                // of the routers, as a fraction of log(experts)
  int64_t num_idle = 0, num_in_all_blocks = 0;  // experts with less than a tenth of the even share
};

inline constexpr const char* kAllTokens = "all tokens";

// nullopt when the run logged no choices.
std::optional<ExpertUse> expert_use(const runs::RunFolder& run);
// The router's entropy at a point as a fraction of log(experts), which a router without preference has.
std::optional<double> relative_entropy(const runs::MetricPoint& point);

}  // namespace mom::report
