#include "mom/codecs/mel.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/support/tones.h"

namespace mom::codecs {
namespace {

// Values of an independent numpy version are compared in tests/e2e/speech_mel_test.py.

TEST(Mel, FiltersHaveUnitAreaAndOverlapInHalves) {
  const at::Tensor filters_KB = mel_filters_KB();
  EXPECT_EQ(filters_KB.sizes(), at::IntArrayRef({321, 80}));
  const at::Tensor area_B = filters_KB.sum(0) * (16'000.0 / 640);  // bins are 25 Hz wide
  EXPECT_LT((area_B - 1).abs().max().item<float>(), 0.15);         // sampled triangles
  EXPECT_LT((area_B.slice(0, 40) - 1).abs().mean().item<float>(), 0.05);
  EXPECT_EQ(filters_KB.slice(0, 1, 320).sum(1).eq(0).sum().item<int64_t>(), 0);  // no bin is lost
}

TEST(Mel, ASineLiesInItsBand) {
  std::vector<float> sine(8'000);
  for (size_t i = 0; i < sine.size(); ++i)
    sine[i] =
        0.5f * static_cast<float>(std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(i) / 16'000));
  const at::Tensor mel = log_mel_FB(sine, 20, 1)[0];
  EXPECT_NEAR(static_cast<double>(mel.argmax().item<int64_t>()), 15 / (45.245640471924965 / 81) - 1,
              1);  // 1 kHz is mel 15
  EXPECT_LT(mel[70].item<float>(), mel.max().item<float>() - 6);
}

TEST(Mel, OutsideASoundIsSilence) {
  const std::vector<float> sound = test::babble(0.2, 1);
  const float floor = static_cast<float>(std::log(kMelFloor));
  EXPECT_TRUE(torch::equal(log_mel_FB(sound, -20, 17), torch::full({17, kMelBands}, floor)));
  EXPECT_TRUE(torch::equal(log_mel_FB(sound, 23, 5), torch::full({5, kMelBands}, floor)));
  EXPECT_GT(log_mel_FB(sound, -1, 1).max().item<float>(), floor);  // its window reaches in
  EXPECT_EQ(log_mel_FB(sound, 0, 0).size(0), 0);
  EXPECT_TRUE(torch::equal(log_mel_FB({}, 0, 3), torch::full({3, kMelBands}, floor)));
}

TEST(Mel, PiecesEqualTheWholeAndGainScales) {
  const std::vector<float> sound = test::babble(1.5, 2);
  const at::Tensor whole = log_mel_FB(sound, 0, 150);
  for (const int64_t first : {0, 1, 37, 149}) {
    const at::Tensor piece = log_mel_FB(sound, first, std::min<int64_t>(20, 150 - first));
    EXPECT_LT((piece - whole.slice(0, first, first + 20)).abs().max().item<float>(), 1e-5);
  }
  std::vector<float> louder = sound;
  for (float& sample : louder) sample *= 2;
  EXPECT_TRUE(torch::equal(log_mel_FB(louder, 0, 150), log_mel_FB(sound, 0, 150, 2.0)));
}

TEST(GriffinLim, SoundMadeFromMelHasThatMel) {
  const std::vector<float> sound = test::babble(1.5, 3);
  const at::Tensor mel = log_mel_FB(sound, 0, 150);
  const std::vector<float> back = waveform_of(mel, 60);
  ASSERT_EQ(back.size(), 150u * 160);
  const at::Tensor error = (log_mel_FB(back, 0, 150) - mel).abs().slice(0, 4, 146);
  // Measured: 0.038; 0.054 without the momentum that makes the algorithm fast.
  const double spread = (mel - mel.mean()).abs().mean().item<double>();
  EXPECT_LT(error.mean().item<double>(), 0.046 * spread) << error.mean().item<double>() / spread;
  // More rounds come closer.
  EXPECT_GT((log_mel_FB(waveform_of(mel, 1), 0, 150) - mel).abs().mean().item<double>(),
            (log_mel_FB(back, 0, 150) - mel).abs().mean().item<double>());
  EXPECT_EQ(waveform_of(mel, 60), back);
  EXPECT_TRUE(waveform_of(mel.slice(0, 0, 0), 60).empty());
}

TEST(GriffinLim, LongSoundsFadeFromPieceToPiece) {
  const std::vector<float> sound = test::babble(31, 4);
  const at::Tensor mel = log_mel_FB(sound, 0, 3'100);
  const std::vector<float> back = waveform_of(mel, 4), first = waveform_of(mel.slice(0, 0, 3'000), 4);
  ASSERT_EQ(back.size(), 3'100u * 160);
  const at::Tensor error_F = (log_mel_FB(back, 0, 3'100) - mel).abs().mean(1);
  EXPECT_LT(error_F.slice(0, 2'970, 3'030).mean().item<double>(), 1.5 * error_F.mean().item<double>());
  // The second piece begins 20 frames before the end of the first and comes in evenly.
  const size_t begin = 2'980 * 160, quarter = 5 * 160;
  EXPECT_TRUE(std::equal(first.begin(), first.begin() + begin, back.begin()));
  std::vector<double> away;
  for (size_t part = 0; part < 4; ++part) {
    double sum = 0;
    for (size_t i = begin + part * quarter; i < begin + (part + 1) * quarter; ++i)
      sum += std::abs(back[i] - first[i]);
    away.push_back(sum);
  }
  EXPECT_GT(away[0], 0);
  EXPECT_GT(away[3], 2.5 * away[0]);
}

}  // namespace
}  // namespace mom::codecs
