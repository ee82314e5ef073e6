// Bodies of requests, a card that they are read for, and what an error says.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "mom/serve/api_error.h"
#include "mom/serve/requests.h"

namespace mom::serve {

inline Card card_with(bool latents) {
  Card card{.id = "tiny", .created = 1};
  card.modalities = {{"text", codecs::MediaKind::kText},
                     {"image", codecs::MediaKind::kImage},
                     {"speech", codecs::MediaKind::kSound}};
  card.has_vocabulary = true;
  card.has_latents = latents;
  card.vocab_size = 100;
  return card;
}

inline const Json kChat = {{"messages", {{{"role", "user"}, {"content", "red disc"}}}}};
inline const Json kCompletion = {{"prompt", "red disc"}};
inline const Json kSpeech = {{"input", "red disc"}, {"voice", "alloy"}};

inline Plan chat(const Json& body) { return plan_chat(body.dump(), card_with(true)); }
inline Json with(Json body, const std::string& name, const Json& value) {
  body[name] = value;
  return body;
}
inline Json said(const Json& content, const char* role = "user") {
  return {{"messages", {{{"role", role}, {"content", content}}}}};
}

// The field that an error names; empty where there is none.
template <class Function>
std::string field_of(const Function& function, int status = 400) {
  try {
    function();
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, status) << error.what();
    EXPECT_NE(std::string(error.what()), "");
    return error.param;
  }
  return "no error";
}

inline std::string form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string body;
  for (const auto& [name, value] : fields)
    body += "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
  return body + "--x--\r\n";
}

}  // namespace mom::serve
