#include "mom/generate/token_sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "mom/base/range.h"

namespace mom::generate {
namespace {

struct Candidate {
  int64_t token;
  double weight;  // first its logit, then its probability
};

std::vector<Candidate> allowed_candidates(std::span<const float> logits_V,
                                          const std::vector<TokenSpan>& allowed) {
  std::vector<Candidate> candidates;
  for (const TokenSpan& span : allowed)
    for (int64_t token = span.begin; token < span.end; ++token)
      candidates.push_back({token, logits_V[static_cast<size_t>(token)]});
  return candidates;
}

double log_sum(const std::vector<Candidate>& candidates) {
  double largest = candidates[0].weight, sum = 0;
  for (const Candidate& c : candidates) largest = std::max(largest, c.weight);
  for (const Candidate& c : candidates) sum += std::exp(c.weight - largest);
  return largest + std::log(sum);
}

void penalise(std::vector<Candidate>& candidates, const std::set<int64_t>& seen, double penalty) {
  for (const int64_t token : seen) {
    const auto found =
        std::lower_bound(candidates.begin(), candidates.end(), token,
                         [](const Candidate& candidate, int64_t id) { return candidate.token < id; });
    if (found == candidates.end() || found->token != token) continue;
    found->weight = found->weight > 0 ? found->weight / penalty : found->weight * penalty;
  }
}

// Likeliest first, the lower id among equals.
bool likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

void normalise(std::vector<Candidate>& candidates) {
  double sum = 0;
  for (const Candidate& c : candidates) sum += c.weight;
  for (Candidate& c : candidates) c.weight /= sum;
}

void to_probabilities(std::vector<Candidate>& candidates, double temperature) {
  for (Candidate& c : candidates) c.weight /= temperature;
  const double whole = log_sum(candidates);
  for (Candidate& c : candidates) c.weight = std::exp(c.weight - whole);
}

// Probabilities, likeliest first, cut down to what the options leave.
void filter(std::vector<Candidate>& candidates, const SamplingOptions& options) {
  if (options.top_k == 0 && options.top_p >= 1 && options.min_p <= 0) return;
  std::sort(candidates.begin(), candidates.end(), likelier);
  if (options.top_k > 0 && static_cast<size_t>(options.top_k) < candidates.size()) {
    candidates.resize(static_cast<size_t>(options.top_k));
    normalise(candidates);
  }
  if (options.top_p < 1) {
    double sum = 0;
    size_t count = 0;
    while (count < candidates.size() && (count == 0 || sum < options.top_p))
      sum += candidates[count++].weight;
    candidates.resize(count);
  }
  const double least = options.min_p * candidates[0].weight;
  while (candidates.back().weight < least) candidates.pop_back();
  normalise(candidates);
}

int64_t draw(const std::vector<Candidate>& candidates, double uniform) {
  double sum = 0;
  for (const Candidate& c : candidates) {
    sum += c.weight;
    if (uniform < sum) return c.token;
  }
  return candidates.back().token;  // the sum is 1 but for rounding
}

}  // namespace

void SamplingOptions::check() const {
  require_in_range("--temperature", temperature, 0, 100);
  require_in_range("--top-k", top_k, 0, 1e9);
  require_in_range("--top-p", top_p, 0, 1);
  require_in_range("--min-p", min_p, 0, 1);
  require_in_range("--repetition-penalty", repetition_penalty, 0.01, 100);
}

SampledToken sample_token(std::span<const float> logits_V, const std::vector<TokenSpan>& allowed,
                          const std::set<int64_t>& seen, const SamplingOptions& options, double uniform) {
  std::vector<Candidate> candidates = allowed_candidates(logits_V, allowed);
  const double whole = log_sum(candidates);
  if (options.repetition_penalty != 1) penalise(candidates, seen, options.repetition_penalty);
  int64_t token;
  if (options.temperature == 0) {
    token = std::min_element(candidates.begin(), candidates.end(), likelier)->token;
  } else {
    to_probabilities(candidates, options.temperature);
    filter(candidates, options);
    token = draw(candidates, uniform);
  }
  return {token, static_cast<double>(logits_V[static_cast<size_t>(token)]) - whole};
}

}  // namespace mom::generate
