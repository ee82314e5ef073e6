#include "mom/generate/token_sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "mom/base/range.h"
#include "mom/kernels/softmax_loss.h"

namespace mom::generate {
namespace {

// What may be drawn, in order of tokens.
struct Candidates {
  std::vector<float> logits;
  const std::vector<TokenSpan>& spans;

  Candidates(std::span<const float> logits_V, const std::vector<TokenSpan>& allowed) : spans(allowed) {
    for (const TokenSpan& span : allowed)
      logits.insert(logits.end(), logits_V.begin() + span.begin, logits_V.begin() + span.end);
  }
  auto count() const { return static_cast<int64_t>(logits.size()); }
  int64_t token(int64_t index) const {
    for (const TokenSpan& span : spans) {
      if (index < span.size()) return span.begin + index;
      index -= span.size();
    }
    return spans.back().end - 1;
  }
  // Null: it is not among them.
  float* logit_of(int64_t token) {
    int64_t before = 0;
    for (const TokenSpan& span : spans) {
      if (span.contains(token)) return &logits[static_cast<size_t>(before + token - span.begin)];
      before += span.size();
    }
    return nullptr;
  }
};

// exp((logit - largest) / temperature) of each, and their sum.
struct Weights {
  std::vector<float> of;
  double sum = 0;
};

Weights weights_of(const Candidates& candidates, double temperature) {
  Weights weights{std::vector<float>(candidates.logits.size()), 0};
  const float largest = kernels::largest_logit(candidates.logits.data(), candidates.count());
  weights.sum =
      kernels::sum_of_exponentials(candidates.logits.data(), candidates.count(), largest,
                                   static_cast<float>(std::min(1 / temperature, 1e30)), weights.of.data());
  return weights;
}

double log_sum(const Candidates& candidates) {
  const float largest = kernels::largest_logit(candidates.logits.data(), candidates.count());
  return largest + std::log(kernels::sum_of_exponentials(candidates.logits.data(), candidates.count(),
                                                         largest, 1, nullptr));
}

void penalise(Candidates& candidates, const std::set<int64_t>& seen, double penalty) {
  for (const int64_t token : seen) {
    float* logit = candidates.logit_of(token);
    if (logit) *logit = static_cast<float>(*logit > 0 ? *logit / penalty : *logit * penalty);
  }
}

// What the options leave, likeliest first, the lower id among equals: indices of `weights`, whose sum becomes theirs.
std::vector<int64_t> filter(Weights& weights, const SamplingOptions& options) {
  auto likelier = [&](int64_t a, int64_t b) {
    const float of_a = weights.of[static_cast<size_t>(a)], of_b = weights.of[static_cast<size_t>(b)];
    return of_a != of_b ? of_a > of_b : a < b;
  };
  auto weight = [&](int64_t index) { return static_cast<double>(weights.of[static_cast<size_t>(index)]); };
  std::vector<int64_t> left(weights.of.size());
  std::iota(left.begin(), left.end(), int64_t{0});
  // In order as far as is needed: a few tokens hold most of the probability.
  size_t sorted = 0;
  auto sort_until = [&](size_t count) {
    count = std::min(count, left.size());
    if (count <= sorted) return;
    const auto begin = left.begin() + static_cast<std::ptrdiff_t>(sorted);
    std::partial_sort(begin, left.begin() + static_cast<std::ptrdiff_t>(count), left.end(), likelier);
    sorted = count;
  };
  if (options.top_k > 0 && static_cast<size_t>(options.top_k) < left.size()) {
    sort_until(static_cast<size_t>(options.top_k));
    left.resize(static_cast<size_t>(options.top_k));
    weights.sum = 0;
    for (const int64_t index : left) weights.sum += weight(index);
  }
  size_t count = 0;
  double sum = 0;
  const double enough =
      options.top_p < 1 ? options.top_p * weights.sum : std::numeric_limits<double>::infinity();
  while (count < left.size() && (count == 0 || sum < enough)) {
    if (count == sorted) sort_until(std::max<size_t>(64, 4 * sorted));
    if (weight(left[count]) < options.min_p * weight(left[0])) break;
    sum += weight(left[count++]);
  }
  left.resize(count);
  weights.sum = sum;
  return left;
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
  Candidates candidates(logits_V, allowed);
  const double whole = log_sum(candidates);
  if (options.repetition_penalty != 1) penalise(candidates, seen, options.repetition_penalty);
  auto drawn = [&](int64_t index) -> SampledToken {
    const int64_t token = candidates.token(index);
    return {token, static_cast<double>(logits_V[static_cast<size_t>(token)]) - whole};
  };
  if (options.temperature == 0) {
    const auto begin = candidates.logits.begin(), end = candidates.logits.end();
    return drawn(std::find(begin, end, kernels::largest_logit(&*begin, candidates.count())) - begin);
  }
  Weights weights = weights_of(candidates, options.temperature);
  const auto draw = [&](int64_t count, auto index_of) {
    double left = uniform * weights.sum;
    for (int64_t i = 0; i + 1 < count; ++i)
      if ((left -= weights.of[static_cast<size_t>(index_of(i))]) < 0) return drawn(index_of(i));
    return drawn(index_of(count - 1));  // the sum is whole but for rounding
  };
  if (options.top_k == 0 && options.top_p >= 1 && options.min_p <= 0)
    return draw(candidates.count(), [](int64_t i) { return i; });
  const std::vector<int64_t> kept = filter(weights, options);
  return draw(std::ssize(kept), [&](int64_t i) { return kept[static_cast<size_t>(i)]; });
}

}  // namespace mom::generate
