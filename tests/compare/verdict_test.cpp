// One vocabulary for one pair of runs and for several seeds.
#include "mom/compare/verdict.h"

#include <gtest/gtest.h>

namespace mom::compare {
namespace {

std::string words(std::vector<std::optional<double>> gains) {
  return outcome_text(summarised(std::move(gains)));
}

TEST(Outcome, OfOneGainByItsSignUnlessItPrintsAsZero) {
  EXPECT_EQ(words({0.016}), "better");
  EXPECT_EQ(words({-0.016}), "worse");
  EXPECT_EQ(words({0.0004}), "equal");
  EXPECT_EQ(words({-0.0004}), "equal");
  EXPECT_EQ(words({0.0006}), "better");
}

TEST(Outcome, OfSeveralSeedsByTheIntervalOfTheirMean) {
  EXPECT_EQ(words({0.011, 0.016, 0.022}), "better with 3 of 3 seeds");
  EXPECT_EQ(words({-0.026, -0.016, -0.0001}), "worse with 3 of 3 seeds");
  EXPECT_EQ(words({-0.036, -0.01, 0.024}), "undecided, better with 1 of 3 seeds");
  EXPECT_EQ(words({0.02, 0.03, 0.02, 0.025, 0.03, -0.001}), "better with 5 of 6 seeds");
}

TEST(Outcome, MeansThatPrintAsZeroAreEqualOnlyWhereSeedsAgree) {
  EXPECT_EQ(words({0, 0, 0}), "equal");
  EXPECT_EQ(words({0.0001, -0.0002}), "equal");
  EXPECT_EQ(words({0.0001, 0.0003}), "equal");
  EXPECT_EQ(words({-0.02, 0.02}), "undecided, better with 1 of 2 seeds");
}

TEST(Outcome, AMissingSeedIsNotMeasured) {
  EXPECT_EQ(words({0.01, std::nullopt}), "not measured");
  EXPECT_EQ(words({}), "not measured");
}

TEST(Verdict, SeveralSeedsSayHowManyAgree) {
  const Summary image = summarised({0.01, 0.02}), text = summarised({-0.01, 0.02});
  EXPECT_EQ(
      verdict("Mixture-of-Mamba", "dense Mamba", {{"image", &image}, {"text", &text}}),
      "Mixture-of-Mamba against dense Mamba on held-out data: image better with 2 of 2 seeds (gain 1.5%); "
      "text undecided, better with 1 of 2 seeds (gain 0.5%).");
  const Summary one = summarised({0.01});
  EXPECT_EQ(verdict("a", "b", {{"image", &one}}),
            "a against b on held-out data, one seed: image better (gain 1.0%).");
}

TEST(MatchText, EachSeedWhereSomeNeverGetThere) {
  const std::vector<Match> some = {Match::kReached, Match::kNever}, none = {Match::kNever, Match::kNever};
  EXPECT_EQ(match_text(some, summarised({0.8, std::nullopt}), kNotReached), "80.0%, not reached");
  EXPECT_EQ(match_text(none, summarised({std::nullopt, std::nullopt}), kNotReached), "not reached");
  EXPECT_EQ(match_text({Match::kUnknown}, summarised({std::nullopt}), kNotReached), "not measured");
  EXPECT_EQ(match_text({Match::kReached, Match::kReached}, summarised({0.8, 0.9}), kNotReached),
            "85.0% [80.0%, 90.0%]");
  EXPECT_EQ(reach_text(some), "reaches the baseline's final loss with 1 of 2 seeds");
}

TEST(Match, NamesReadBack) {
  for (const Match match : {Match::kReached, Match::kNever, Match::kUnknown})
    EXPECT_EQ(match_named(match_name(match)), match);
  EXPECT_FALSE(match_named("sometimes").has_value());
}

TEST(Verdict, ABaselineThatIsFlatAtTheEndIsSaid) {
  Row row;
  row.match = Match::kReached;
  row.flops_to_match = 0.025;
  row.dense_self_match = 0.97;
  EXPECT_EQ(reach_text(row), "reaches the baseline's final loss with 2.5% of its FLOPs");
  row.dense_self_match = 0.05;
  EXPECT_EQ(reach_text(row),
            "reaches the baseline's final loss with 2.5% of its FLOPs, the baseline itself with 5.0%");
}

}  // namespace
}  // namespace mom::compare
