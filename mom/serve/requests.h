// From the body of a request to what it asks for. Functions of body and card alone; ApiError names the field. Field names
// are OpenAI's; docs/serve.md has those that are ours.
#pragma once

#include <optional>
#include <string>

#include "mom/base/json.h"
#include "mom/serve/job.h"

namespace mom::serve {

// `body`: the text of a JSON object, or for transcriptions a form (multipart.h).
Plan plan_chat(const std::string& body, const Card& card);
Plan plan_completion(const std::string& body, const Card& card);
Plan plan_image(const std::string& body, const Card& card);
Plan plan_speech(const std::string& body, const Card& card);
Plan plan_transcription(const std::string& body, const std::string& content_type, const Card& card);

inline constexpr const char* kTranscriptions = "/v1/audio/transcriptions";  // whose bodies are forms

// The model that a request's body names; nothing where it does not. ApiError: no JSON, or no form.
std::optional<std::string> named_model(const http::Request& request);

// A body as JSON; ApiError where it is none, too deep, or has a key twice.
Json parse_body(const std::string& body);

}  // namespace mom::serve
