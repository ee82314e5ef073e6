// web/openapi.json says what the server does: its routes, and the fields of each request.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "mom/base/json.h"
#include "mom/serve/requests.h"
#include "mom/serve/routes.h"

namespace mom::serve {
namespace {

const Json& described() {
  static const Json kFile = Json::parse(embedded_file("openapi.json"));
  return kFile;
}

TEST(OpenApi, HasEveryRoute) {
  std::set<std::pair<std::string, std::string>> there;
  for (const auto& [path, methods] : described()["paths"].items())
    for (const auto& [method, operation] : methods.items()) there.insert({method, path});
  std::set<std::pair<std::string, std::string>> expected;
  for (auto [method, path] : route_names()) {
    std::transform(method.begin(), method.end(), method.begin(), [](char c) { return std::tolower(c); });
    expected.insert({method, path});
  }
  EXPECT_EQ(there, expected);
}

Card full_card() {
  Card card{.id = "tiny", .created = 1};
  card.modalities = {{"text", codecs::MediaKind::kText},
                     {"image", codecs::MediaKind::kImage},
                     {"speech", codecs::MediaKind::kSound}};
  card.has_vocabulary = card.has_latents = true;
  card.vocab_size = 100;
  return card;
}

// Whether a request with this field, which stands for no value, is understood.
bool knows(const std::string& request, const std::string& field) {
  try {
    if (request == "TranscriptionRequest") {
      const std::string part = "--x\r\nContent-Disposition: form-data; name=\"";
      std::string form = part + "file\"\r\n\r\nsound\r\n";
      if (field != "file") form += part + field + "\"\r\n\r\n\xff\r\n";
      plan_transcription(form + "--x--\r\n", "multipart/form-data; boundary=x", full_card());
      return true;
    }
    Json body{{"messages", {{{"role", "user"}, {"content", "a"}}}}};
    if (request != "ChatRequest") body = {{request == "SpeechRequest" ? "input" : "prompt", "a"}};
    if (!body.contains(field)) body[field] = nullptr;
    const std::map<std::string, Plan (*)(const std::string&, const Card&)> plans = {
        {"ChatRequest", plan_chat},
        {"CompletionRequest", plan_completion},
        {"ImageRequest", plan_image},
        {"SpeechRequest", plan_speech}};
    plans.at(request)(body.dump(), full_card());
  } catch (const ApiError& error) {
    return error.code != "unknown_parameter";  // else it was understood, and its value is wrong
  }
  return true;
}

TEST(OpenApi, HasEveryField) {
  const Json& schemas = described()["components"]["schemas"];
  const std::vector<std::string> requests = {"ChatRequest", "CompletionRequest", "ImageRequest",
                                             "SpeechRequest", "TranscriptionRequest"};
  std::set<std::string> all;
  for (const std::string& request : requests)
    for (const auto& [field, schema] : schemas[request]["properties"].items()) all.insert(field);
  EXPECT_GT(all.size(), 40u);
  for (const std::string& request : requests)
    for (const std::string& field : all)
      EXPECT_EQ(knows(request, field), schemas[request]["properties"].contains(field))
          << request << " " << field;
  EXPECT_FALSE(knows("ChatRequest", "no_such_field"));
}

TEST(OpenApi, RefersToWhatIsThere) {
  const std::string text = described().dump(), mark = R"("$ref":"#)";
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    const size_t begin = at + mark.size();
    const std::string pointer = text.substr(begin, text.find('"', begin) - begin);
    EXPECT_TRUE(described().contains(Json::json_pointer(pointer))) << pointer;
  }
}

}  // namespace
}  // namespace mom::serve
