// Resampling against what the sound is: sines known in closed form. The stated errors, all for 16 kHz:
//   pass band (to 0.9 of half the lower rate): difference below 1e-4 of the amplitude away from the ends
//   stop band (from 1.1 of it): at most 1e-4 of the amplitude comes through
#include "mom/formats/resample.h"

#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "tests/support/sounds.h"

namespace mom::formats {
namespace {

using test::sine;

constexpr int64_t kRates[] = {8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000, 192000};
constexpr double kPassError = 1e-4, kStopGain = 1e-4;

// Largest difference, leaving out what the filter cannot know: half its length at both ends.
double largest_difference(const std::vector<float>& found, const std::vector<float>& expected, size_t edge) {
  double largest = 0;
  for (size_t i = edge; i + edge < found.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(found[i]) - expected[i]));
  return largest;
}

TEST(Resample, PassBandKeepsLevelAndPlace) {
  for (const int64_t rate : kRates)
    for (const double share : {0.01, 0.3, 0.6, 0.9}) {
      const double frequency = share * static_cast<double>(std::min<int64_t>(rate, 16000)) / 2;
      const auto found = resample(sine(frequency, rate, rate), rate, 16000);
      ASSERT_EQ(found.size(), 16000u);
      const double error = largest_difference(found, sine(frequency, 16000, 16000), 200) / 0.5;
      EXPECT_LT(error, kPassError) << rate << " Hz, sine of " << frequency << " Hz";
    }
}

TEST(Resample, StopBandIsRejected) {
  for (const int64_t rate : kRates) {
    if (rate <= 16000) continue;
    for (const double share : {1.1, 1.3, 1.37}) {
      const double frequency = share * 8000;
      if (frequency > static_cast<double>(rate) / 2) continue;
      const auto found = resample(sine(frequency, rate, rate), rate, 16000);
      const double gain = largest_difference(found, std::vector<float>(found.size()), 200) / 0.5;
      EXPECT_LT(gain, kStopGain) << rate << " Hz, sine of " << frequency << " Hz";
    }
  }
}

TEST(Resample, UpwardsMakesNoImages) {
  const auto found = resample(sine(3000, 8000, 8000), 8000, 48000);
  EXPECT_LT(largest_difference(found, sine(3000, 48000, 48000), 600) / 0.5, kPassError);
}

TEST(Resample, LengthIsTheNearest) {
  for (const int64_t rate : kRates)
    for (const int64_t count : {1, 2, 3, 100, 441, 12345}) {
      const std::vector<float> samples(static_cast<size_t>(count), 0.25f);
      const auto length = static_cast<int64_t>(resample(samples, rate, 16000).size());
      const double exact = static_cast<double>(count) * 16000 / static_cast<double>(rate);
      EXPECT_EQ(length, std::max<int64_t>(1, static_cast<int64_t>(std::floor(exact + 0.5))))
          << rate << ", " << count;
    }
  EXPECT_TRUE(resample({}, 8000, 16000).empty());
}

TEST(Resample, SameRateIsTheSameSound) {
  const auto samples = sine(1234, 16000, 777);
  EXPECT_EQ(resample(samples, 16000, 16000), samples);
}

TEST(Resample, TwiceGivesTheSameBits) {
  const auto samples = sine(1234, 44100, 44100);
  EXPECT_EQ(resample(samples, 44100, 16000), resample(samples, 44100, 16000));
}

TEST(Resample, RatesTooFarApart) {
  EXPECT_THROW(resample(sine(10, 100, 10), 50, 16000), UserError);
  EXPECT_THROW(resample(sine(10, 100, 10), 0, 16000), UserError);
}

TEST(ToMono, IsTheMeanOfTheChannels) {
  const Sound stereo{.rate_hz = 16000, .channels = 2, .samples = {0.5f, 0.25f, -1, 1}};
  EXPECT_EQ(to_mono(stereo), (std::vector<float>{0.375f, 0}));
  const Sound mono{.rate_hz = 16000, .channels = 1, .samples = {0.5f, 0.25f}};
  EXPECT_EQ(to_mono(mono), mono.samples);
}

}  // namespace
}  // namespace mom::formats
