// How each route writes its answers. Shapes are OpenAI's; docs/serve.md has what is added.
#pragma once

#include <memory>

#include "mom/base/json.h"
#include "mom/serve/job.h"

namespace mom::serve {

std::unique_ptr<Format> chat_format(const Card& card, const Wish& wish, bool usage_in_stream);
std::unique_ptr<Format> completion_format(const Card& card, const Wish& wish, bool usage_in_stream);
std::unique_ptr<Format> image_format(const Card& card, const Wish& wish);
std::unique_ptr<Format> speech_format(bool pcm);
std::unique_ptr<Format> transcription_format(bool text_only);

// A number nobody can foresee: seeds and ids.
uint64_t fresh_seed();
// One server-sent event; `name` may be empty.
std::string server_sent(const OrderedJson& data, const std::string& name = "");

}  // namespace mom::serve
