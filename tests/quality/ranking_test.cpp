#include "mom/quality/ranking.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <set>

#include "mom/codecs/text_codec.h"
#include "mom/quality/likelihood.h"
#include "tests/support/tiny_data.h"
#include "tests/support/tiny_generation.h"

namespace mom::quality {
namespace {

generate::Feed tokens(std::initializer_list<int32_t> ids) {
  generate::Feed feed;
  for (const int32_t id : ids) feed.append(id);
  return feed;
}

// Token by token, each drawn from the step's own distribution.
double step_by_step(models::ModelImpl& model, const Continuation& one) {
  generate::DecodeState state = generate::initial_state(model, 1);
  at::Tensor logits_SV = test::step(model, state, {one.before}).logits_SV;
  double sum = 0;
  for (const int32_t token : one.text) {
    sum += logits_SV.to(torch::kFloat64).log_softmax(1)[0][token].item<double>();
    logits_SV = test::step(model, state, {tokens({token})}).logits_SV;
  }
  return sum;
}

TEST(LogLikelihoods, AreTheSumsOfSteps) {
  for (const bool patches : {false, true}) {
    models::Model model = test::lively_model(test::generation_spec("mixture_of_mamba", patches), 4);
    generate::Feed with_picture = tokens({2, 4});
    if (patches) {
      torch::manual_seed(1);
      with_picture.append(generate::Picture{torch::randn(model->spec().latents()->latent_shape), 0});
    } else {
      for (int32_t code = 0; code < test::kTinyCodesPerImage; ++code) with_picture.append(40 + code);
    }
    with_picture.append(5);
    const std::vector<Continuation> all = {
        {tokens({2}), {17}}, {with_picture, {8, 30, 9}}, {tokens({2, 11, 12}), {13, 14, 15, 16}}};
    const std::vector<double> together = log_likelihoods(*model, all);
    ASSERT_EQ(together.size(), 3u);
    for (size_t i = 0; i < all.size(); ++i)
      EXPECT_NEAR(together[i], step_by_step(*model, all[i]), 1e-3) << patches << i;
  }
}

// Three pictures, three captions; scores by hand from the likelihoods of single documents.
TEST(RankCaptions, CountsByBothScores) {
  models::Model model = test::lively_model(test::generation_spec("mamba", false), 1);
  std::vector<Pair> pairs;
  for (int32_t i = 0; i < 12; ++i) {
    Pair pair{
        "source", {static_cast<int32_t>(8 + i), static_cast<int32_t>(20 + i % 5)}, {"image", true, {}, {}}};
    for (int32_t code = 0; code < test::kTinyCodesPerImage; ++code)
      pair.media.tokens.push_back(40 + (i * 7 + code * (i + 1)) % 10);
    pairs.push_back(pair);
  }
  std::vector<size_t> asked(pairs.size());
  for (size_t i = 0; i < asked.size(); ++i) asked[i] = i;
  const auto candidates = draw_candidates(pairs, asked, 3, 1);
  Accuracy by_likelihood, by_information;
  for (const std::vector<size_t>& some : candidates) {
    std::vector<double> likelihood, information;
    for (const size_t caption : some) {
      generate::Feed before = tokens({2, 4});
      for (const int32_t code : pairs[some[0]].media.tokens) before.append(code);
      before.append(5);
      likelihood.push_back(step_by_step(*model, {before, pairs[caption].caption}));
      information.push_back(likelihood.back() - step_by_step(*model, {tokens({2}), pairs[caption].caption}));
    }
    by_likelihood.add(likelihood);
    by_information.add(information);
  }
  size_t last = 0;
  const Ranking ranking = rank_captions(*model, pairs, candidates, [&](size_t done) { last = done; });
  EXPECT_EQ(last, pairs.size());
  EXPECT_EQ(ranking.among, 3);
  EXPECT_EQ(ranking.by_likelihood.correct, by_likelihood.correct);
  EXPECT_EQ(ranking.by_information.correct, by_information.correct);
  EXPECT_EQ(ranking.by_information.of, 12);
  EXPECT_NE(by_information.correct, by_likelihood.correct) << "this seed does not tell the scores apart";
}

TEST(DrawCandidates, OwnFirstThenOthersOfItsSource) {
  std::vector<Pair> pairs;
  for (int32_t i = 0; i < 30; ++i)
    pairs.push_back({i < 20 ? "a" : "b", {10 + i / 2}, {}});  // each caption twice
  const auto candidates = draw_candidates(pairs, {0, 3, 25}, 8, 1);
  ASSERT_EQ(candidates.size(), 3u);
  EXPECT_EQ(candidates[0].size(), 8u);
  EXPECT_EQ(candidates[1][0], 3u);
  EXPECT_EQ(candidates[2].size(), 5u);  // source b has five captions
  for (const auto& some : candidates) {
    std::set<std::vector<int32_t>> captions;
    for (const size_t i : some) {
      EXPECT_EQ(pairs[i].source, pairs[some[0]].source);
      captions.insert(pairs[i].caption);
    }
    EXPECT_EQ(captions.size(), some.size());
  }
  EXPECT_EQ(candidates, draw_candidates(pairs, {0, 3, 25}, 8, 1));
  EXPECT_NE(candidates, draw_candidates(pairs, {0, 3, 25}, 8, 2));
}

// Captions with their keywords in order, pictures as they are, whatever else is in a document.
TEST(PairsOf, ReadsCaptionsPicturesAndRecordings) {
  const test::TempFolder folder;
  const data::EncodedDataset latents = data::open_encoded(test::make_tiny_encoded(folder / "latents"));
  train::Recipe recipe;
  const std::vector<Pair> pictures = pairs_of(latents, recipe, "validation", "image");
  ASSERT_EQ(pictures.size(), 4u);
  const codecs::TextCodec text(latents.folder / "codecs" / "text");
  EXPECT_EQ(text.decode(pictures[0].caption), "grey disc: grey, disc, figure");
  ASSERT_TRUE(pictures[0].media.picture);
  EXPECT_EQ(pictures[0].media.picture->latent_CHW.sizes(), latents.vocabulary.latents()->latent_shape);
  EXPECT_FALSE(torch::equal(pictures[0].media.picture->latent_CHW, pictures[1].media.picture->latent_CHW));
  EXPECT_EQ(first_of_each_caption(pictures), (std::vector<size_t>{0, 1}));

  const data::EncodedDataset codes = data::open_encoded(test::make_tiny_spoken(folder / "codes"));
  const std::vector<Pair> recordings = pairs_of(codes, recipe, "validation", "speech");
  ASSERT_EQ(recordings.size(), 4u);
  EXPECT_EQ(recordings[0].source, "said");
  EXPECT_EQ(recordings[0].media.tokens.size(), 10u);
  EXPECT_EQ(pairs_of(codes, recipe, "validation", "image").size(), 8u);
}

}  // namespace
}  // namespace mom::quality
