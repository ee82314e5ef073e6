#include "mom/quality/caption_use.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "tests/support/tiny_generation.h"

namespace mom::quality {
namespace {

constexpr int32_t kFirstWord = 10;

// Each with a caption of two words that no other has, and an image that goes with the first.
std::vector<Pair> make_pairs(const models::ModelSpec& spec, int32_t count) {
  torch::manual_seed(2);
  std::vector<Pair> pairs;
  for (int32_t i = 0; i < count; ++i) {
    Pair pair{"source", {kFirstWord + i, kFirstWord + (i + 3) % count}, {"image", true, {}, {}}};
    if (spec.latents()) {
      pair.media.picture = generate::Picture{torch::randn(spec.latents()->latent_shape), 0};
    } else {
      for (int32_t code = 0; code < test::kTinyCodesPerImage; ++code)
        pair.media.tokens.push_back(40 + (i * 7 + code * (i + 1)) % 10);
    }
    pairs.push_back(pair);
  }
  return pairs;
}

std::vector<std::vector<size_t>> two_of(const std::vector<Pair>& pairs) {
  std::vector<size_t> all;
  for (size_t i = 0; i < pairs.size(); ++i) all.push_back(i);
  return draw_candidates(pairs, all, 2, 1);
}

const OnProgress kQuiet = [](size_t) {};

// A predictor that takes the image its caption names as the truth from t = 600 on, and knows the noise below.
TEST(CaptionUse, IsOneWhereTheCaptionIsEverythingAndZeroWhereItIsNothing) {
  const models::ModelSpec spec = test::generation_spec("mamba", /*patches=*/true);
  const models::CosineSchedule schedule(1000);
  const std::vector<Pair> pairs = make_pairs(spec, 18);
  size_t round = 0;
  const auto predict = [&](const std::vector<generate::Feed>& feeds) {
    std::vector<at::Tensor> noise;
    for (size_t f = 0; f < feeds.size(); ++f) {
      const generate::Picture& picture = feeds[f].pictures.at(0);
      // Both captions of an image see the same noise, and one timestep of the level.
      EXPECT_TRUE(torch::equal(picture.latent_CHW, feeds[f ^ 1].pictures[0].latent_CHW));
      EXPECT_EQ(picture.timestep, feeds[f ^ 1].pictures[0].timestep);
      EXPECT_NE(feeds[f].tokens, feeds[f ^ 1].tokens);
      const int64_t level = static_cast<int64_t>(round % 5);
      EXPECT_GE(picture.timestep, 200 * level);
      EXPECT_LT(picture.timestep, 200 * (level + 1));
      // Without the caption: the error of a predictor that says 0.
      if (picture.timestep < 600) {
        noise.push_back(torch::zeros_like(picture.latent_CHW));
        continue;
      }
      const at::Tensor& clean =
          pairs[static_cast<size_t>(feeds[f].tokens[1] - kFirstWord)].media.picture->latent_CHW;
      const double signal = schedule.alpha_bar(picture.timestep);
      noise.push_back((picture.latent_CHW - std::sqrt(signal) * clean) / std::sqrt(1 - signal));
    }
    ++round;
    return torch::stack(noise);
  };
  size_t last = 0;
  const CaptionUse use = caption_use_of_latents(predict, schedule, spec.vocabulary, pairs, two_of(pairs), 1,
                                                [&](size_t done) { last = done; });
  EXPECT_EQ(last, pairs.size());
  ASSERT_EQ(use.levels.size(), 5u);
  for (size_t k = 0; k < 5; ++k) {
    EXPECT_EQ(use.levels[k].losses.count(), 18);
    EXPECT_NEAR(use.levels[k].losses.use(), k < 3 ? 0 : 1, 1e-6) << k;
  }
  EXPECT_GT(use.overall.use(), 0.01);
  EXPECT_LT(use.overall.use(), 0.9);
  EXPECT_EQ(use.to_json()["levels"][4]["from"], 800);
}

// With one row for all words, captions of one length say nothing. Latents and codes.
TEST(CaptionUse, IsZeroOfAModelThatIgnoresCaptions) {
  const models::CosineSchedule schedule(10);
  for (const bool patches : {false, true}) {
    models::Model model = test::lively_model(test::generation_spec("mixture_of_mamba", patches), 4);
    const std::vector<Pair> pairs = make_pairs(model->spec(), 6);
    const auto measure = [&](uint64_t seed) {
      return caption_use(model, schedule, pairs, two_of(pairs), seed, kQuiet);
    };
    const CaptionUse heard = measure(1);
    EXPECT_GT(std::abs(heard.overall.use()), 1e-4) << patches;
    EXPECT_EQ(heard.to_json(), measure(1).to_json());
    EXPECT_EQ(heard.to_json() != measure(2).to_json(), patches) << "codes have no noise";
    {
      const torch::NoGradGuard no_grad;
      at::Tensor words = model->embeddings().slice(0, kFirstWord, kFirstWord + 6);
      words.copy_(words[0].clone().expand_as(words));
    }
    const CaptionUse deaf = measure(1);
    EXPECT_NEAR(deaf.overall.use(), 0, 1e-5) << patches;
    EXPECT_EQ(deaf.levels.size(), patches ? 5u : 0u);
    for (const NoiseLevel& level : deaf.levels) EXPECT_NEAR(level.losses.use(), 0, 1e-5);
  }
}

// A network that predicts velocity is judged by the noise that its prediction implies, by way of the clean latent.
TEST(CaptionUse, OfAVelocityIsThatOfTheNoiseItImplies) {
  models::ModelSpec spec = test::generation_spec("mamba", /*patches=*/true);
  spec.prediction = models::Prediction::kVelocity;
  models::Model model = test::lively_model(spec, 4);
  const models::CosineSchedule schedule(100);
  const std::vector<Pair> pairs = make_pairs(spec, 4);
  const auto by_clean_latents = [&](const std::vector<generate::Feed>& feeds) {
    generate::DecodeState state = generate::initial_state(*model, std::ssize(feeds));
    const at::Tensor velocity = torch::stack(test::step(*model, state, feeds).predicted);
    std::vector<at::Tensor> noise;
    for (size_t i = 0; i < feeds.size(); ++i) {
      const generate::Picture& picture = feeds[i].pictures[0];
      const at::Tensor noised = picture.latent_CHW.unsqueeze(0);
      const at::Tensor clean = schedule.clean(models::Prediction::kVelocity, noised,
                                              velocity[static_cast<int64_t>(i)].unsqueeze(0),
                                              torch::tensor({picture.timestep}, torch::kInt64));
      const double a = schedule.alpha_bar(picture.timestep);
      noise.push_back(((noised - std::sqrt(a) * clean) / std::sqrt(1 - a))[0]);
    }
    return torch::stack(noise);
  };
  const LossPair found = caption_use(model, schedule, pairs, two_of(pairs), 1, kQuiet).overall;
  const LossPair expected =
      caption_use_of_latents(by_clean_latents, schedule, spec.vocabulary, pairs, two_of(pairs), 1, kQuiet)
          .overall;
  EXPECT_NEAR(found.to_json()["right"].get<double>(), expected.to_json()["right"].get<double>(), 1e-4);
  EXPECT_NEAR(found.use(), expected.use(), 1e-4);
}

// Nats of the codes themselves, each after those before it.
TEST(CaptionUse, OfCodesIsInNatsPerCode) {
  models::Model model = test::lively_model(test::generation_spec("mamba", /*patches=*/false), 1);
  const std::vector<Pair> pairs = make_pairs(model->spec(), 2);
  const CaptionUse use = caption_use_of_codes(*model, pairs, {{0, 1}}, kQuiet);
  const auto nats = [&](const std::vector<int32_t>& caption) {
    generate::DecodeState state = generate::initial_state(*model, 1);
    generate::Feed start;
    start.append(2);
    for (const int32_t token : caption) start.append(token);
    start.append(4);
    at::Tensor logits_SV = test::step(*model, state, {start}).logits_SV;
    double sum = 0;
    for (const int32_t code : pairs[0].media.tokens) {
      sum -= logits_SV.to(torch::kFloat64).log_softmax(1)[0][code].item<double>();
      generate::Feed next;
      next.append(code);
      logits_SV = test::step(*model, state, {next}).logits_SV;
    }
    return sum / test::kTinyCodesPerImage;
  };
  const OrderedJson json = use.to_json();
  EXPECT_NEAR(json["right"].get<double>(), nats(pairs[0].caption), 1e-3);
  EXPECT_NEAR(json["shuffled"].get<double>(), nats(pairs[1].caption), 1e-3);
}

TEST(CaptionUse, AnImageWithoutAnotherCaptionIsLeftOut) {
  models::Model model = test::lively_model(test::generation_spec("mamba", /*patches=*/false), 1);
  const std::vector<Pair> pairs = make_pairs(model->spec(), 2);
  EXPECT_EQ(caption_use_of_codes(*model, pairs, {{0}, {1}}, kQuiet).overall.count(), 0);
}

// Ratio of means 1 - 6 / 8, with residuals r - 0.75 s of 0, -0.25 and 0.25 over a mean of 8 / 3.
TEST(LossPair, StandardErrorIsThatOfARatio) {
  LossPair losses;
  losses.add(torch::tensor({3.0, 4.0, 0.5, 1.0, 2.5, 3.0}, torch::kFloat64).view({3, 2}));
  EXPECT_DOUBLE_EQ(losses.use(), 0.25);
  EXPECT_NEAR(losses.standard_error(), std::sqrt(0.125 / 6) / (8.0 / 3), 1e-12);
}

}  // namespace
}  // namespace mom::quality
