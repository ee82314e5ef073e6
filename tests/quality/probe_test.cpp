#include "mom/quality/probe.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/random.h"
#include "mom/quality/accuracy.h"

namespace mom::quality {
namespace {

constexpr int64_t kWords = 30, kFeatures = 40;

// Captions of three of 30 words, and features that are those words' directions with noise.
struct Pictures {
  at::Tensor features_NF;
  std::vector<std::vector<int32_t>> captions;
};

Pictures make_pictures(int64_t count, const at::Tensor& directions_WF, uint64_t seed) {
  RandomStream random(stream_key({seed}));
  Pictures pictures;
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < count; ++i) {
    std::vector<int32_t> caption;
    at::Tensor row = 0.5 * torch::randn({kFeatures}, torch::kFloat64);
    for (int word = 0; word < 3; ++word) {
      caption.push_back(static_cast<int32_t>(random.below(kWords)));
      row = row + directions_WF[caption.back()];
    }
    rows.push_back(row);
    pictures.captions.push_back(caption);
  }
  pictures.features_NF = torch::stack(rows);
  return pictures;
}

Accuracy among_ten(const CaptionProbe& probe, const Pictures& pictures) {
  const at::Tensor similarities = probe.similarities(pictures.features_NF, pictures.captions);
  Accuracy accuracy;
  const int64_t count = similarities.size(0);
  for (int64_t i = 0; i < count; ++i) {
    std::vector<double> scores;
    for (int64_t other = 0; other < 10; ++other)
      scores.push_back(similarities[i][(i + 7 * other) % count].item<double>());
    accuracy.add(scores);
  }
  return accuracy;
}

TEST(CaptionProbe, ReadsUnseenPicturesAndNothingWhereThereIsNothing) {
  torch::manual_seed(5);
  const at::Tensor directions_WF = torch::randn({kWords, kFeatures}, torch::kFloat64);
  const Pictures train = make_pictures(400, directions_WF, 1), unseen = make_pictures(100, directions_WF, 2);
  EXPECT_GT(among_ten({train.features_NF, train.captions}, unseen).share(), 0.9);

  Pictures meaningless = train;
  meaningless.features_NF = torch::randn_like(train.features_NF);
  const auto [low, high] = among_ten({meaningless.features_NF, meaningless.captions}, unseen).interval();
  EXPECT_LT(low, 0.1);
  EXPECT_LT(high, 0.3);
}

// A word no training caption has, or only one, is no target; it does not count as a difference either.
TEST(CaptionProbe, IgnoresUnknownWords) {
  torch::manual_seed(6);
  const Pictures train = make_pictures(50, torch::randn({kWords, kFeatures}, torch::kFloat64), 3);
  const CaptionProbe probe(train.features_NF, train.captions);
  std::vector<int32_t> with_unknown = train.captions[0];
  with_unknown.push_back(9999);
  const at::Tensor both = probe.similarities(train.features_NF, {train.captions[0], with_unknown});
  EXPECT_TRUE(torch::equal(both.select(1, 0), both.select(1, 1)));
}

}  // namespace
}  // namespace mom::quality
