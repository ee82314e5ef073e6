// What a client of a model wants, and what it is told while the answers are written. For `mom serve` and for programs that
// have the engine in them (mom/engine/engine.h). No torch here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "mom/generate/asked.h"

namespace mom::generate {

struct Wish {
  Asked asked = {};
  uint64_t seed = 0;
  int64_t count = 1;                   // answers; number i is that of `mom generate --count` with this seed
  std::vector<std::string> stop = {};  // text that ends an answer, and is not part of it
  bool log_probabilities = false;
  // After its beginning, text is told of no more often: making an event of every token takes time from the next.
  std::chrono::milliseconds pace{0};
  int64_t previews = 0;  // of each image: on its way from noise, or of the codes so far
};

struct TokenText {
  int32_t id;
  std::string bytes;
  double log_probability;
};

enum class Finish { kStop, kLength };

struct Event {
  enum class Kind { kText, kImage, kSound, kArray, kPreview, kEnd };
  Kind kind;
  size_t choice = 0;                   // which of the wish's answers
  std::string data = {};               // text, or the bytes of a PNG, WAV or NPY file
  std::string modality = {};           // of an array
  std::vector<TokenText> tokens = {};  // that the text is of; may be of no text, too
  int64_t number = 0;                  // of a preview, from 0
  Finish finish = Finish::kStop;       // of kEnd
};

}  // namespace mom::generate
