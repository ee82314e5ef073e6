#include "mom/quality/contrastive_probe.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/quality/kid.h"

namespace mom::quality {
namespace {

constexpr int64_t kSide = 16;
const std::vector<std::string> kColours = {"red", "green", "blue", "black", "yellow", "grey"};
const std::vector<std::string> kShapes = {"square", "bar", "post", "frame"};
constexpr size_t kKinds = 24;

struct Shown {
  std::vector<at::Tensor> images;
  std::vector<Words> captions;
  at::Tensor stacked() const { return torch::stack(images); }
};

// Coloured shapes on white, somewhere, with a little noise: kind k is of colour k % 6 and shape k / 6.
Shown show(size_t count, uint64_t seed) {
  const int64_t rgb[6][3] = {{220, 30, 30}, {30, 160, 60},  {40, 60, 210},
                             {20, 20, 20},  {240, 210, 40}, {128, 128, 128}};
  RandomStream random(stream_key({seed}));
  torch::manual_seed(seed);
  Shown shown;
  for (size_t i = 0; i < count; ++i) {
    const size_t kind = i % kKinds, colour = kind % 6, shape = kind / 6;
    at::Tensor image = torch::full({3, kSide, kSide}, 255, torch::kFloat32);
    const auto left = static_cast<int64_t>(1 + random.below(5)),
               top = static_cast<int64_t>(1 + random.below(5));
    const int64_t width = shape == 2 ? 3 : 10, height = shape == 1 ? 3 : 10;
    for (int64_t c = 0; c < 3; ++c) {
      at::Tensor inside = image[c].slice(0, top, top + height).slice(1, left, left + width);
      inside.fill_(rgb[colour][c]);
      if (shape == 3) inside.slice(0, 3, 7).slice(1, 3, 7).fill_(255);
    }
    shown.images.push_back((image + 8 * torch::randn_like(image)).clamp(0, 255).to(torch::kUInt8));
    shown.captions.push_back({kColours[colour], kShapes[shape], "picture"});
  }
  return shown;
}

ContrastiveProbe train(const Shown& shown) {
  at::set_num_threads(1);
  ProbeOptions options;
  options.steps = 80;
  options.batch = 48;
  options.channels = 8;
  return ContrastiveProbe(shown.stacked(), shown.captions, options);
}

const ContrastiveProbe& trained() {
  static const ContrastiveProbe probe = train(show(240, 1));
  return probe;
}

// The right caption among 20 of other kinds.
Accuracy among_twenty(const ContrastiveProbe& probe, const Shown& shown) {
  const at::Tensor similarities =
      probe.encode(shown.stacked()).space_NE.matmul(probe.encode(shown.captions).t()).to(torch::kFloat64);
  Accuracy accuracy;
  for (size_t i = 0; i < shown.images.size(); ++i) {
    std::vector<double> scores;
    for (size_t other = 0; other < 20; ++other) {
      const size_t kind = (i + other) % kKinds;
      scores.push_back(similarities[static_cast<int64_t>(i)][static_cast<int64_t>(kind)].item<double>());
    }
    accuracy.add(scores);
  }
  return accuracy;
}

TEST(ContrastiveProbe, FindsCaptionsOfNewImagesAndNoneWhereThereIsNothing) {
  const Shown shown = show(240, 1), unseen = show(96, 2);
  const Accuracy found = among_twenty(trained(), unseen);
  EXPECT_TRUE(is_accepted(found, 20)) << found.share();
  EXPECT_FALSE(is_accepted(found, 10)) << "too few to choose from";

  Shown shuffled = shown;
  RandomStream(stream_key({3})).shuffle(shuffled.captions);
  const Accuracy meaningless = among_twenty(train(shuffled), unseen);
  EXPECT_FALSE(is_accepted(meaningless, 20)) << meaningless.share();
  EXPECT_LT(meaningless.interval().first, 0.1);
}

// Its features tell blurred images from real ones, and not real ones from other real ones.
TEST(ContrastiveProbe, KidSeesABlur) {
  const ContrastiveProbe& probe = trained();
  const at::Tensor real = show(360, 2).stacked(), others = show(360, 3).stacked();
  const at::Tensor blurred =
      at::avg_pool2d(others.to(torch::kFloat32), {5, 5}, {1, 1}, {2, 2}, false, false).to(torch::kUInt8);
  const auto features = [&](const at::Tensor& images) {
    const at::Tensor all = probe.encode(real).features_NF;
    return (probe.encode(images).features_NF - all.mean(0)) / all.std(0).clamp_min(1e-6);
  };
  const Kid of_real = kernel_distance(features(others), features(real), 1);
  const Kid of_blurred = kernel_distance(features(blurred), features(real), 1);
  EXPECT_LT(std::abs(of_real.mean), 4 * of_real.standard_error);
  EXPECT_GT(of_blurred.mean, 8 * std::abs(of_real.mean)) << of_real.to_json() << of_blurred.to_json();
  EXPECT_GT(of_blurred.mean, 5 * of_blurred.standard_error);
}

TEST(ContrastiveProbe, IsTheSameAgainAndFromWhatItLeft) {
  const Shown shown = show(48, 1);
  const auto short_one = [&](uint64_t seed) {
    ProbeOptions options{3, 16, 8, seed};
    return ContrastiveProbe(shown.stacked(), shown.captions, options);
  };
  const ContrastiveProbe probe = short_one(1);
  const at::Tensor images = probe.encode(shown.stacked()).space_NE, captions = probe.encode(shown.captions);
  EXPECT_TRUE(torch::equal(short_one(1).encode(shown.stacked()).space_NE, images));
  EXPECT_FALSE(torch::equal(short_one(2).encode(shown.stacked()).space_NE, images));
  EXPECT_TRUE(torch::allclose(images.norm(2, 1), torch::ones({48})));

  nn::NamedTensors tensors;
  std::map<std::string, std::string> metadata;
  probe.add_to(tensors, metadata);
  const ContrastiveProbe again(tensors, metadata, "file");
  EXPECT_TRUE(
      torch::equal(again.encode(shown.stacked()).features_NF, probe.encode(shown.stacked()).features_NF));
  EXPECT_TRUE(torch::equal(again.encode(shown.captions), captions));
  tensors.erase("probe.words");
  EXPECT_THROW(ContrastiveProbe(tensors, metadata, "file"), InputError);
}

// A word that no two training captions have is no word.
TEST(ContrastiveProbe, IgnoresUnknownWords) {
  const Shown shown = show(48, 1);
  const ContrastiveProbe probe(shown.stacked(), shown.captions, {2, 16, 8, 1});
  Words with_unknown = shown.captions[0];
  with_unknown.push_back("zebra");
  const at::Tensor both = probe.encode({shown.captions[0], with_unknown});
  EXPECT_TRUE(torch::equal(both[0], both[1]));
}

TEST(WordsOf, AreLowerCaseAndEachOnce) {
  EXPECT_EQ(words_of("Red apple: fruit, red, apple-tree"), (Words{"red", "apple", "fruit", "apple-tree"}));
  EXPECT_EQ(words_of(" . "), Words{});
}

}  // namespace
}  // namespace mom::quality
