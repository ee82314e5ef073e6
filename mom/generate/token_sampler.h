// One token from one row of logits. V vocabulary.
//
// In this order: repetition penalty (of a logit l of a token seen before: l / p where l > 0, else l * p;
// Keskar et al. 2019, arXiv 1909.05858), temperature, top-k, top-p (the smallest set of likeliest tokens
// whose sum reaches p; Holtzman et al. 2019, arXiv 1904.09751), min-p (at least this share of the likeliest
// token's probability; Nguyen et al. 2024, arXiv 2407.01082), each after the one before is normalised. What
// is left is drawn by its cumulative distribution. Logits and probabilities are f32 (kernels/softmax_loss.h), their
// sums f64.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <vector>

namespace mom::generate {

struct SamplingOptions {
  double temperature = 1;         // 0: the likeliest token, the lowest among equals
  int64_t top_k = 0;              // 0: off
  double top_p = 1;               // 1: off
  double min_p = 0;               // 0: off
  double repetition_penalty = 1;  // 1: off
  void check() const;             // UserError names the option
};

struct TokenSpan {  // ids [begin, end)
  int64_t begin, end;
  int64_t size() const { return end - begin; }
  bool contains(int64_t token) const { return begin <= token && token < end; }
  bool operator==(const TokenSpan&) const = default;
};

struct SampledToken {
  int64_t token;
  // ln of its share among the allowed tokens, before penalty, temperature and filters.
  double log_probability;
};

// `allowed`: rising, not overlapping, at least one token, all below V. `seen`: tokens the penalty is for.
// `uniform` in [0, 1) decides.
SampledToken sample_token(std::span<const float> logits_V, const std::vector<TokenSpan>& allowed,
                          const std::set<int64_t>& seen, const SamplingOptions& options, double uniform);

}  // namespace mom::generate
