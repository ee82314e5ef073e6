#include "mom/compare/amounts.h"

#include <gtest/gtest.h>

#include "tests/support/fake_runs.h"

namespace mom::compare {
namespace {

runs::MetricPoint point(int64_t step, double flops, double tokens, double tokens_per_s) {
  runs::MetricPoint result;
  result.step = step, result.flops = flops, result.tokens = tokens, result.tokens_per_s = tokens_per_s;
  result.tokens_per_cpu_s = tokens_per_s / 4;
  return result;
}

TEST(AmountAt, ByHand) {
  runs::RunFolder run;
  run.train = {point(1, 10, 100, 50), point(2, 20, 300, 100)};  // 2 s, then 200 tokens at 100 a second: 4 s
  EXPECT_DOUBLE_EQ(amount_at(run, Amount::kTokens, 10).value(), 100);
  EXPECT_DOUBLE_EQ(amount_at(run, Amount::kTokens, 15).value(), 200);
  EXPECT_DOUBLE_EQ(amount_at(run, Amount::kSeconds, 5).value(), 1);
  EXPECT_DOUBLE_EQ(amount_at(run, Amount::kSeconds, 20).value(), 4);
  EXPECT_DOUBLE_EQ(amount_at(run, Amount::kSeconds, 25).value(), 4);  // past the end of the log
  EXPECT_DOUBLE_EQ(amount_at(run, Amount::kCpuSeconds, 20).value(), 16);
  run.train[1].tokens_per_s.reset();
  EXPECT_FALSE(amount_at(run, Amount::kSeconds, 20).has_value());
  EXPECT_FALSE(amount_at({}, Amount::kTokens, 1).has_value());
}

TEST(ClockOf, ProcessorTimeWhereEveryLineHasIt) {
  runs::RunFolder run;
  run.train = {point(1, 10, 100, 50), point(2, 20, 300, 100)};
  EXPECT_EQ(clock_of(run)->seconds, (std::vector<double>{8, 16}));
  EXPECT_TRUE(clock_of(run)->of_processor);
  run.train[0].tokens_per_cpu_s.reset();
  EXPECT_EQ(clock_of(run)->seconds, (std::vector<double>{2, 4}));
  EXPECT_FALSE(clock_of(run)->of_processor);
  run.train[1].tokens_per_s.reset();
  EXPECT_FALSE(clock_of(run).has_value());
  EXPECT_FALSE(clock_of({}).has_value());
}

// A model whose steps cost twice the FLOPs needs the same tokens for a loss: tokens and FLOPs to match differ
// by two.
TEST(AmountToMatch, TokensAreNotFlops) {
  test::TempFolder folder;
  test::FakeRun dense, mix = test::fake_mix();
  dense.images = mix.images = false;
  mix.flops_per_step *= 2;
  const auto a = runs::read_run_folder(test::write_fake_run(folder / "dense", dense)),
             b = runs::read_run_folder(test::write_fake_run(folder / "mix", mix));
  const Comparison comparison = compare_runs(a, b);
  const Row& row = comparison.rows.front();
  ASSERT_TRUE(row.flops_to_match.has_value());
  const double tokens = amount_to_match(a, b, row, comparison.trained, Amount::kTokens).value();
  EXPECT_NEAR(tokens, *row.flops_to_match / 2, 1e-9);
  // Both logs say 5,200 tokens/s.
  EXPECT_NEAR(amount_to_match(a, b, row, comparison.trained, Amount::kSeconds).value(), tokens, 1e-9);
  Row never = row;
  never.flops_to_match.reset();
  EXPECT_FALSE(amount_to_match(a, b, never, comparison.trained, Amount::kTokens).has_value());
}

}  // namespace
}  // namespace mom::compare
