// Synthetic voices: speech of a sensible length, the same whenever and beside whatever it is made.
#include "mom/quickstart/voices.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <span>

#include "mom/base/error.h"
#include "mom/formats/sound_file.h"

namespace mom::quickstart {
namespace {

std::vector<std::string> say(const std::string& voice, const std::vector<std::string>& texts) {
  return speak(voice, texts, [](int64_t) {});
}

formats::Sound sound_of(const std::string& wav) {
  return formats::decode_sound(std::as_bytes(std::span(wav)), "speech");
}

TEST(Voices, SpeakAudibly) {
  std::set<std::string> recordings;
  for (const char* voice : {"slt", "rms", "awb", "kal16"}) {
    const std::string wav = say(voice, {"red apple"})[0];
    const formats::Sound sound = sound_of(wav);
    EXPECT_EQ(sound.rate_hz, 16'000);
    EXPECT_EQ(sound.channels, 1);
    const double seconds = static_cast<double>(sound.num_frames()) / 16'000;
    EXPECT_GT(seconds, 0.5) << voice;
    EXPECT_LT(seconds, 2.0) << voice;
    double sum = 0;
    for (const float sample : sound.samples) sum += static_cast<double>(sample) * sample;
    EXPECT_GT(std::sqrt(sum / static_cast<double>(sound.num_frames())), 0.02) << voice;
    recordings.insert(wav);
  }
  EXPECT_EQ(recordings.size(), 4u);
}

TEST(Voices, ARecordingDependsOnVoiceAndTextOnly) {
  const std::vector<std::string> texts = {"fox face", "hot dog", "red apple",
                                          "ship",     "see saw", "flag: France"};
  const auto all = say("slt", texts);
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(say("slt", {texts[i]})[0], all[i]) << texts[i];
}

TEST(Voices, NamesInPlainLetters) {
  EXPECT_EQ(speakable("flag: Cura\u00E7ao"), "flag: Curacao");
  EXPECT_EQ(speakable("flag: C\u00F4te d\u2019Ivoire"), "flag: Cote d'Ivoire");
  EXPECT_EQ(speakable("Japanese \u201Creserved\u201D button"), "Japanese \"reserved\" button");
  EXPECT_EQ(speakable(""), "");
}

TEST(Voices, UnknownVoice) { EXPECT_THROW(say("nobody", {"x"}), UserError); }

}  // namespace
}  // namespace mom::quickstart
