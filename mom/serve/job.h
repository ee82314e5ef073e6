// What passes between the routes and the engine's thread, beside wishes and events (mom/generate/wish.h). No torch here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mom/codecs/media.h"
#include "mom/generate/wish.h"
#include "mom/http/http.h"

namespace mom::serve {

using generate::Event;
using generate::Finish;
using generate::TokenText;
using generate::Wish;

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
  virtual bool last_tells_all() const { return false; }  // else its events are none
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
  bool has_text = true;                              // there is a tokenizer
  int64_t max_answers = 16, max_tokens = 1'000'000;  // of one request
  // The first of that kind.
  const Kind* of(codecs::MediaKind media) const {
    for (const Kind& one : modalities)
      if (one.media == media) return &one;
    return nullptr;
  }
};

// What the API calls a modality: "text", "image" and "audio" where that is what it is to people, else, of a codec from
// outside, its own name.
std::string api_name(const Card::Kind& kind);

}  // namespace mom::serve
