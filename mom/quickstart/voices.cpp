#include "mom/quickstart/voices.h"

#include <flite/flite.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/formats/sound_file.h"
#include "mom/quickstart/workers.h"

// The voices' libraries come without headers.
extern "C" {
cst_voice* register_cmu_us_slt(const char* folder);
cst_voice* register_cmu_us_rms(const char* folder);
cst_voice* register_cmu_us_awb(const char* folder);
cst_voice* register_cmu_us_kal16(const char* folder);
}

namespace mom::quickstart {
namespace {

using Register = cst_voice* (*)(const char*);

Register find_voice(const std::string& name) {
  constexpr std::array<std::pair<const char*, Register>, 4> kVoices = {{{"slt", register_cmu_us_slt},
                                                                        {"rms", register_cmu_us_rms},
                                                                        {"awb", register_cmu_us_awb},
                                                                        {"kal16", register_cmu_us_kal16}}};
  for (const auto& [known, make] : kVoices)
    if (name == known) return make;
  throw UserError({"voice", "slt, rms, awb or kal16", "'" + name + "'", ""});
}

using Wave = std::unique_ptr<cst_wave, decltype(&delete_wave)>;

// Runs in a process of its own: noise in unvoiced sounds comes from rand(), which is seeded from the text here.
std::string speak_one(cst_voice* voice, const std::string& name, const std::string& text) {
  std::srand(static_cast<unsigned>(splitmix64_finalise(fnv1a64(name + ":" + text))));
  const Wave wave(flite_text_to_wave(text.c_str(), voice), &delete_wave);
  if (!wave || wave->num_samples < 1 || wave->num_channels != 1 || wave->sample_rate != kVoiceRateHz)
    throw InputError({"flite's voice " + name, "16 kHz speech of '" + text + "'", "none", ""});
  std::vector<float> samples(wave->samples, wave->samples + wave->num_samples);
  for (float& sample : samples) sample /= 32768.0f;
  return formats::encode_wav(samples, kVoiceRateHz);
}

constexpr std::array<std::pair<std::string_view, char>, 11> kPlain = {{{"\u2018", '\''},
                                                                       {"\u2019", '\''},
                                                                       {"\u201C", '"'},
                                                                       {"\u201D", '"'},
                                                                       {"\u00F1", 'n'},
                                                                       {"\u00C5", 'A'},
                                                                       {"\u00E9", 'e'},
                                                                       {"\u00F4", 'o'},
                                                                       {"\u00E7", 'c'},
                                                                       {"\u00E3", 'a'},
                                                                       {"\u00ED", 'i'}}};

}  // namespace

std::string speakable(std::string_view name) {
  std::string plain;
  while (!name.empty()) {
    const auto known = std::find_if(kPlain.begin(), kPlain.end(),
                                    [&](const auto& entry) { return name.starts_with(entry.first); });
    if (known != kPlain.end()) {
      plain += known->second;
      name.remove_prefix(known->first.size());
    } else {
      plain += static_cast<unsigned char>(name.front()) < 0x80 ? name.front() : ' ';
      name.remove_prefix(1);
    }
  }
  return plain;
}

std::vector<std::string> speak(const std::string& voice, const std::vector<std::string>& texts,
                               const std::function<void(int64_t)>& progress) {
  const Register make = find_voice(voice);
  cst_voice* speaker = nullptr;
  const auto body = [&](int64_t i) {
    if (speaker == nullptr) {  // once per process
      flite_init();
      speaker = make(nullptr);
    }
    return speak_one(speaker, voice, speakable(texts[static_cast<size_t>(i)]));
  };
  return run_in_processes(static_cast<int64_t>(texts.size()), default_processes(), "speech of voice " + voice,
                          body, progress);
}

}  // namespace mom::quickstart
