// Token sampling on distributions computed by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/generate/token_sampler.h"

namespace mom {
namespace {

using generate::sample_token;
using generate::SampledToken;
using generate::SamplingOptions;
using generate::TokenSpan;

// Probabilities 0.1, 0.4, 0.2, 0.3.
const std::vector<float> kLogits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)};
const std::vector<TokenSpan> kAll = {{0, 4}};

// How often each of four tokens comes out over 20,000 even draws.
std::vector<double> shares(const std::vector<float>& logits, const std::vector<TokenSpan>& allowed,
                           const SamplingOptions& options, const std::set<int64_t>& seen = {}) {
  constexpr int kDraws = 20000;
  std::vector<double> count(4, 0);
  for (int i = 0; i < kDraws; ++i)
    count[static_cast<size_t>(sample_token(logits, allowed, seen, options, (i + 0.5) / kDraws).token)] +=
        1.0 / kDraws;
  return count;
}

void expect_shares(const std::vector<double>& found, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-4) << "token " << i;
}

TEST(TokenSampler, PlainIsTheDistribution) { expect_shares(shares(kLogits, kAll, {}), {0.1, 0.4, 0.2, 0.3}); }

TEST(TokenSampler, ZeroTemperatureIsTheLikeliest) {
  for (const double uniform : {0.0, 0.5, 0.999})
    EXPECT_EQ(sample_token(kLogits, kAll, {}, {.temperature = 0}, uniform).token, 1);
  const std::vector<float> equal(4, 1.5f);
  EXPECT_EQ(sample_token(equal, {{1, 4}}, {}, {.temperature = 0}, 0.7).token, 1);
}

TEST(TokenSampler, TemperatureIsAPowerOfTheProbabilities) {
  // p^2: 1, 16, 4, 9 of 30.
  expect_shares(shares(kLogits, kAll, {.temperature = 0.5}), {1 / 30.0, 16 / 30.0, 4 / 30.0, 9 / 30.0});
}

TEST(TokenSampler, TopKKeepsTheLikeliest) {
  expect_shares(shares(kLogits, kAll, {.top_k = 2}), {0, 4 / 7.0, 0, 3 / 7.0});
  expect_shares(shares(kLogits, kAll, {.top_k = 9}), {0.1, 0.4, 0.2, 0.3});
}

TEST(TokenSampler, TopPKeepsTheSmallestSetThatReachesIt) {
  expect_shares(shares(kLogits, kAll, {.top_p = 0.69}), {0, 4 / 7.0, 0, 3 / 7.0});
  expect_shares(shares(kLogits, kAll, {.top_p = 0.71}), {0, 4 / 9.0, 2 / 9.0, 3 / 9.0});
  expect_shares(shares(kLogits, kAll, {.top_p = 0}), {0, 1, 0, 0});
}

TEST(TokenSampler, MinPIsAShareOfTheLikeliest) {
  expect_shares(shares(kLogits, kAll, {.min_p = 0.6}), {0, 4 / 7.0, 0, 3 / 7.0});
  expect_shares(shares(kLogits, kAll, {.min_p = 0.4}), {0, 4 / 9.0, 2 / 9.0, 3 / 9.0});
}

TEST(TokenSampler, FiltersFollowEachOther) {
  // Top-k 3 leaves 4, 2, 3 of 9; top-p 0.7 of that is 4 and 3.
  expect_shares(shares(kLogits, kAll, {.top_k = 3, .top_p = 0.7}), {0, 4 / 7.0, 0, 3 / 7.0});
}

// Probabilities that fall slowly, so that a filter leaves many: those an even walk through the distribution meets.
TEST(TokenSampler, FiltersLeaveHundredsOfTokens) {
  constexpr int64_t kTokens = 1000;
  std::vector<float> logits;
  double whole = 0;
  for (int64_t v = 0; v < kTokens; ++v) {
    logits.push_back(-0.003f * static_cast<float>((v * 7) % kTokens));  // rank (7 v) mod 1000
    whole += std::exp(-0.003 * static_cast<double>(v));
  }
  auto left_by = [&](const SamplingOptions& options) {
    std::set<int64_t> ranks;
    for (int i = 0; i < 8000; ++i)
      ranks.insert(sample_token(logits, {{0, kTokens}}, {}, options, (i + 0.5) / 8000).token * 7 % kTokens);
    EXPECT_EQ(*ranks.rbegin() + 1, static_cast<int64_t>(ranks.size()));  // the likeliest, without a gap
    return static_cast<int64_t>(ranks.size());
  };
  int64_t expected = 0;
  for (double sum = 0; sum < 0.8 * whole; ++expected) sum += std::exp(-0.003 * static_cast<double>(expected));
  EXPECT_EQ(left_by({.top_p = 0.8}), expected);
  EXPECT_EQ(left_by({.top_k = 333}), 333);
  EXPECT_EQ(left_by({.min_p = 0.5}), 232);  // exp(-0.003 * 231) > 0.5 > exp(-0.003 * 232)
  EXPECT_EQ(left_by({.temperature = 2, .min_p = 0.5}), 463);
}

TEST(TokenSampler, OnlyAllowedTokensCome) {
  expect_shares(shares(kLogits, {{0, 1}, {2, 4}}, {}), {1 / 6.0, 0, 2 / 6.0, 3 / 6.0});
  EXPECT_EQ(sample_token(kLogits, {{2, 3}}, {}, {.temperature = 0}, 0).token, 2);
}

TEST(TokenSampler, PenaltyMakesSeenTokensLessLikely) {
  const std::vector<float> logits = {2, 1, -1, 0.5f};
  // 2 becomes 1 and -1 becomes -2; 9 is not in the vocabulary's allowed part.
  const double whole = std::exp(1) + std::exp(1) + std::exp(-2) + std::exp(0.5);
  expect_shares(shares(logits, kAll, {.repetition_penalty = 2}, {0, 2, 9}),
                {std::exp(1) / whole, std::exp(1) / whole, std::exp(-2) / whole, std::exp(0.5) / whole});
}

TEST(TokenSampler, LogProbabilityIsTheModels) {
  const SampledToken drawn = sample_token(kLogits, kAll, {1}, {.temperature = 0.1, .top_k = 1}, 0.5);
  EXPECT_NEAR(drawn.log_probability, std::log(0.4), 1e-6);
  EXPECT_NEAR(sample_token(kLogits, {{0, 2}}, {}, {}, 0.9).log_probability, std::log(0.8), 1e-6);
  EXPECT_EQ(sample_token(kLogits, {{2, 3}}, {}, {}, 0.9).log_probability, 0);
}

TEST(TokenSampler, OptionsOutOfRangeAreNamed) {
  for (const auto& [options, name] : std::vector<std::pair<SamplingOptions, const char*>>{
           {{.temperature = -1}, "--temperature"},
           {{.temperature = std::nan("")}, "--temperature"},
           {{.top_k = -1}, "--top-k"},
           {{.top_p = 1.5}, "--top-p"},
           {{.min_p = -0.1}, "--min-p"},
           {{.repetition_penalty = 0}, "--repetition-penalty"}}) {
    try {
      options.check();
      ADD_FAILURE() << name;
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace mom
