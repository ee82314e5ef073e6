// Spoken captions by flite's synthetic voices. A recording is a pure function of the voice and the text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mom::quickstart {

inline constexpr int64_t kVoiceRateHz = 16'000;

// Plain ASCII for the voices' English front end, which skips what it does not know: accents dropped
// (Curaçao), quotes made straight.
std::string speakable(std::string_view name);

// A WAV file (16 kHz, 16 bits, mono) of each text. `voice`: slt, rms, awb or kal16. Runs in child processes,
// as many as there are processors; `progress` gets the number of finished texts. UserError for another voice.
std::vector<std::string> speak(const std::string& voice, const std::vector<std::string>& texts,
                               const std::function<void(int64_t)>& progress);

}  // namespace mom::quickstart
