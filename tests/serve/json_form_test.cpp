// Events that are put together from text are what the library would have written.
#include "mom/serve/json_form.h"

#include <gtest/gtest.h>

#include "mom/serve/formats.h"

namespace mom::serve {
namespace {

TEST(JsonText, IsWhatTheLibraryWrites) {
  std::string all = "\xc3\xa9 \xf0\x9f\x8d\x8e \xef\xbf\xbd";
  for (char c = 0; c < 0x7f; ++c) all += c;
  all += '\x7f';
  EXPECT_EQ(json_text(all), OrderedJson(all).dump());
  EXPECT_EQ(json_text(""), "\"\"");
}

TEST(JsonForm, IsTheFormWithItsValues) {
  const JsonForm form("data: ", {{"a", JsonForm::kOpen}, {"b", 1}, {"c", {JsonForm::kOpen}}}, "\n\n");
  EXPECT_EQ(form.with({"null", R"("x")"}), "data: {\"a\":null,\"b\":1,\"c\":[\"x\"]}\n\n");
}

Json parsed(const std::string& sent) {
  EXPECT_TRUE(sent.starts_with("data: ") && sent.ends_with("\n\n")) << sent;
  return Json::parse(sent.substr(6));
}

Event event_of(const std::string& text) {
  return {.kind = Event::Kind::kText, .choice = 2, .data = text, .tokens = {{17, text, -0.5}, {18, "", -1}}};
}

TEST(ChatFormat, APieceIsADeltaOfItsChoice) {
  const Card card{.id = "a \"model\""};
  const auto format = chat_format(card, {.seed = 5, .count = 3}, /*usage_in_stream=*/true);
  const Json json = parsed(format->piece(event_of("\"line\"\n\\")));
  EXPECT_EQ(json["model"], card.id);
  EXPECT_EQ(json["seed"], 5);
  EXPECT_TRUE(json["usage"].is_null());
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["index"], 2);
  EXPECT_EQ(
      choice["delta"],
      Json::parse(R"({"content": "\"line\"\n\\", "parts": [{"type": "text", "text": "\"line\"\n\\"}]})"));
  EXPECT_TRUE(choice["finish_reason"].is_null() && choice["logprobs"].is_null());
  EXPECT_EQ(format->piece(event_of("")), "");  // completes no character
  const Json end = parsed(format->piece({.kind = Event::Kind::kEnd, .choice = 1, .finish = Finish::kLength}));
  EXPECT_EQ(end["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(end["choices"][0]["delta"], Json::object());
}

TEST(ChatFormat, LogProbabilitiesAreOfEachToken) {
  const auto format = chat_format({}, {.log_probabilities = true}, false);
  const Json json = parsed(format->piece(event_of("ab")));
  EXPECT_EQ(json["choices"][0]["logprobs"]["content"].size(), 2);
  EXPECT_EQ(json["choices"][0]["logprobs"]["content"][0]["logprob"], -0.5);
  EXPECT_FALSE(json.contains("usage"));
  EXPECT_EQ(parsed(format->piece(event_of("")))["choices"][0]["delta"], Json::parse(R"({"content": ""})"));
}

TEST(CompletionFormat, APieceSaysItsTokens) {
  const Card card{.id = "one"};
  const auto format = completion_format(card, {.log_probabilities = true}, false);
  const Json choice = parsed(format->piece(event_of("ab\t")))["choices"][0];
  EXPECT_EQ(choice["text"], "ab\t");
  EXPECT_EQ(choice["tokens"], Json::parse("[17, 18]"));
  EXPECT_EQ(choice["logprobs"]["token_logprobs"], Json::parse("[-0.5, -1.0]"));
  const Json end = parsed(format->piece({.kind = Event::Kind::kEnd}))["choices"][0];
  EXPECT_EQ(end["finish_reason"], "stop");
  EXPECT_EQ(end["tokens"], Json::array());
}

}  // namespace
}  // namespace mom::serve
