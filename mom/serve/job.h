// What passes between the routes and the engine's thread: a wish, and the events of its answers. No torch here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mom/codecs/media.h"
#include "mom/generate/asked.h"
#include "mom/http/http.h"

namespace mom::serve {

struct Wish {
  generate::Asked asked;
  uint64_t seed = 0;
  int64_t count = 1;              // answers; number i is that of `mom generate --count` with this seed
  std::vector<std::string> stop;  // text that ends an answer, and is not part of it
  bool log_probabilities = false;
  int64_t previews = 0;  // of an image on its way from noise
};

struct TokenText {
  int32_t id;
  std::string bytes;
  double log_probability;
};

enum class Finish { kStop, kLength };

struct Event {
  enum class Kind { kText, kImage, kSound, kPreview, kEnd };
  Kind kind;
  size_t choice = 0;                   // which of the wish's answers
  std::string data = {};               // text, or the bytes of a PNG or WAV file
  std::vector<TokenText> tokens = {};  // that the text is of; may be of no text, too
  int64_t number = 0;                  // of a preview, from 0
  Finish finish = Finish::kStop;       // of kEnd
};

struct Usage {
  int64_t prompt_tokens = 0, completion_tokens = 0;  // positions: tokens, codes and patches
};

// How a route writes an answer. Functions of the events alone, so that an answer says the same streamed or whole.
class Format {
 public:
  virtual ~Format() = default;
  virtual http::Response whole(const std::vector<Event>& events, const Usage& usage) const = 0;
  // Server-sent events, complete with their ends of lines; [DONE] is added behind the last.
  virtual std::string first() const { return ""; }
  virtual std::string piece(const Event& event) const = 0;
  virtual std::string last(const std::vector<Event>& events, const Usage& usage) const = 0;
};

// What a request that was understood asks for.
struct Plan {
  Wish wish;
  std::unique_ptr<Format> format;
  bool stream = false;
};

// The model as clients see it.
struct Card {
  std::string id;
  int64_t created = 0;
  struct Kind {
    std::string modality;
    codecs::MediaKind media;
  };
  std::vector<Kind> modalities = {};
  bool has_vocabulary = false;  // false: a plain language model
  bool has_latents = false;     // images are denoised
  int64_t vocab_size = 0;
  int64_t max_answers = 16;  // of one request
  const Kind* of(codecs::MediaKind media) const {
    for (const Kind& one : modalities)
      if (one.media == media) return &one;
    return nullptr;
  }
};

}  // namespace mom::serve
