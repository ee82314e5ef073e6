// What each field may be, and what is said where it is something else: the field, what was expected, what was found.
#include <gtest/gtest.h>

#include "tests/serve/bodies.h"

namespace mom::serve {
namespace {

// "FIELD: expected EXPECTED, found FOUND", of status 400; of another, with the status before it.
template <class Function>
std::string said_of(const Function& function) {
  try {
    function();
  } catch (const ApiError& error) {
    return (error.status == 400 ? "" : std::to_string(error.status) + " ") + error.what();
  }
  return "no error";
}

Card text_card() {
  Card card = card_with(false);
  card.modalities.resize(1);
  return card;
}

using Plans = Plan (*)(const std::string&, const Card&);

struct Wrong {
  Plans plan;
  Json body;
  std::string message;
};

void expect_all(const std::vector<Wrong>& all, const Card& card) {
  for (const Wrong& one : all)
    EXPECT_EQ(said_of([&] { one.plan(one.body.dump(), card); }), one.message) << one.body;
}

const Json kImage = {{"prompt", "red disc"}};

TEST(WrongFields, SayWhatWasExpectedAndFound) {
  const std::string stop = "stop: expected a string, or a list of up to 4, none empty, found ";
  const std::string modalities =
      "modalities: expected a list of one of \"text\", \"image\", \"audio\", or of all of them, found ";
  expect_all(
      {{plan_chat, with(kChat, "stop", 3), stop + "3"},
       {plan_chat, with(kChat, "stop", ""), stop + "\"\""},
       {plan_chat, with(kChat, "stop", Json::object()), stop + "an object"},
       {plan_chat, with(kChat, "stop", {"a", 3}), stop + "3"},
       {plan_chat, with(kChat, "stop", {"a", nullptr}), stop + "null"},
       {plan_completion, with(kCompletion, "stop", {"a", "b", "c", "d", "e"}), stop + "a list of 5"},
       {plan_completion, with(kCompletion, "stop", {"a", ""}), stop + "a list of 2"},
       {plan_chat, with(kChat, "modalities", "text"), modalities + "\"text\""},
       {plan_chat, with(kChat, "modalities", Json::object()), modalities + "an object"},
       {plan_chat, with(kChat, "modalities", {"text", 3}), modalities + "3"},
       {plan_chat, with(kChat, "modalities", {"speech"}),
        modalities + "\"speech\""},  // the API's names alone
       {plan_chat, with(kChat, "modalities", {"text", "audio"}), modalities + "a list of 2"},
       {plan_chat, with(kChat, "sampler", "euler"),
        "sampler: expected \"ddpm\" or \"ddim\", found \"euler\""},
       {plan_chat, with(kChat, "sampler", "a\nb"),
        "sampler: expected \"ddpm\" or \"ddim\", found \"a\\x0ab\""},
       {plan_image, with(kImage, "sampler", 1), "sampler: expected a string, found 1"},
       {plan_chat, with(kChat, "audio", "wav"), "audio: expected an object, found \"wav\""},
       {plan_chat, with(kChat, "audio", {{"format", "mp3"}}),
        "audio.format: expected \"wav\", the only value here, found \"mp3\""},
       {plan_chat, with(kChat, "audio", {{"speed", 2}}), "unknown field audio.speed"},
       {plan_chat, with(kChat, "stream_options", true), "stream_options: expected an object, found true"},
       {plan_chat, with(kChat, "stream_options", {{"include_usage", 1}}),
        "stream_options.include_usage: expected true or false, found 1"},
       {plan_chat, with(kChat, "n", 17), "n: expected an integer from 1 to 16, found 17"},
       {plan_chat, with(kChat, "temperature", "hot"),
        "temperature: expected a number from 0.0 to 100.0, found \"hot\""},
       {plan_chat, with(kChat, "logit_bias", {{"7", 1}}),
        "logit_bias: expected {}, the only value here, found an object"},
       {plan_chat, with(kChat, "temprature", 1), "unknown field temprature; did you mean temperature?"},
       {plan_chat, with(kChat, "quite_another_thing", 1), "unknown field quite_another_thing"},
       {plan_completion, with(kCompletion, "logprobs", 1),
        "logprobs: expected an integer from 0 to 0, found 1"},
       {plan_completion, with(kCompletion, "suffix", "x"),
        "suffix: expected \"\", the only value here, found \"x\""},
       {plan_speech, with(kSpeech, "n", 2), "n: expected 1, found 2"},
       {plan_speech, with(kSpeech, "input", ""), "input: expected text, found none"},
       {plan_speech, with(kSpeech, "response_format", "mp3"),
        "response_format: expected \"wav\" or \"pcm\", found \"mp3\""},
       {plan_speech, with(kSpeech, "stream_format", "sse"),
        "stream_format: expected \"audio\", the only value here, found \"sse\""},
       {plan_image, with(with(kImage, "n", 2), "stream", true), "n: expected 1, for a stream, found 2"},
       {plan_image, with(kImage, "partial_images", -1),
        "partial_images: expected an integer from 0 to 16, found -1"},
       {plan_image, with(kImage, "model", "dall-e"), "404 model: expected \"tiny\", found \"dall-e\""}},
      card_with(true));
}

// Whatever is long, or no text, is shown as its beginning.
TEST(WrongFields, ALimitNamesTheFieldThatWasSent) {
  Card card = card_with(true);
  card.max_tokens = 100;
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    EXPECT_EQ(field_of([&] { plan_chat(with(kChat, name, 101).dump(), card); }), name);
    EXPECT_EQ(plan_chat(with(kChat, name, 100).dump(), card).wish.asked.max_tokens, 100);
  }
  EXPECT_EQ(field_of([&] { plan_completion(with(kCompletion, "max_tokens", 101).dump(), card); }),
            "max_tokens");
}

TEST(WrongFields, ShowALongValueShortened) {
  const std::string name(2000, 'a');
  const std::string message = said_of([&] { chat(with(kChat, "stream", name)); });
  EXPECT_EQ(message, "stream: expected true or false, found \"" + std::string(59, 'a') + "...");
  const std::string url = said_of([&] {
    chat(said({{{"type", "image_url"}, {"image_url", {{"url", "https://example.org/" + name}}}}}));
  });
  EXPECT_EQ(
      url,
      "messages[0].content[0].image_url.url: expected a data: URI with base64 data (no other address is "
      "fetched), found \"https://example.org/" +
          std::string(20, 'a') + "\"");
}

TEST(WrongFields, WhatTheModelDoesNotHave) {
  const std::string steps = ": the images of this model are codes, which are not denoised";
  expect_all({{plan_chat, with(kChat, "num_inference_steps", 5), "num_inference_steps" + steps},
              {plan_image, with(kImage, "sampler", "ddim"), "sampler" + steps},
              {plan_image, with(with(kImage, "sampler", "ddim"), "num_inference_steps", 5),
               "num_inference_steps" + steps}},
             card_with(false));
  const Json image = said({{{"type", "image_url"}, {"image_url", {{"url", "data:image/png;base64,AAEC"}}}}}),
             sound = said({{{"type", "input_audio"}, {"input_audio", {{"data", "AAEC"}}}}}),
             array = said({{{"type", "array"}, {"array", {{"modality", "image"}, {"data", "AAEC"}}}}});
  expect_all(
      {{plan_chat, image, "messages[0].content[0].type: this model has no images"},
       {plan_chat, sound, "messages[0].content[0].type: this model has no recordings"},
       {plan_chat, array, "messages[0].content[0].array.modality: this model has no arrays of \"image\""},
       {plan_image, kImage, "model: this model has no images"},
       {plan_speech, kSpeech, "model: this model has no recordings"}},
      text_card());
  EXPECT_EQ(said_of([] {
              plan_transcription(form({{"file", "a"}}), "multipart/form-data; boundary=x", text_card());
            }),
            "model: this model has no recordings");
}

TEST(WrongMessages, NameTheMessageAndItsPart) {
  const auto message = [](const Json& json) { return Json{{"messages", Json::array({json})}}; };
  const std::string content = "messages[0].content: expected a string or a list of parts, found none";
  expect_all({{plan_chat, message({{"role", "user"}}), content},
              {plan_chat, message({{"role", "user"}, {"content", nullptr}}), content},
              {plan_chat, message({{"content", "a"}}), "messages[0].role: expected a string, found none"},
              {plan_chat, message({{"role", "a\tb"}, {"content", "a"}}),
               "messages[0].role: expected system, developer, user or assistant, found \"a\\x09b\""},
              {plan_chat, message({{"role", "user"}, {"content", "a"}, {"parts", "a"}}),
               "unknown field messages[0].parts"},
              {plan_chat, message({{"role", "assistant"}, {"parts", 3}}),
               "messages[0].parts: expected a string or a list of up to 64 parts, found 3"},
              {plan_chat, said(std::vector<Json>(65, {{"type", "text"}, {"text", "a"}})),
               "messages[0].content: expected a string or a list of up to 64 parts, found a list of 65"},
              {plan_chat, said({{{"type", "text"}, {"text", "a"}}, 3}),
               "messages[0].content[1]: expected an object, found 3"},
              {plan_chat, said({{{"type", "text"}, {"text", "a"}, {"url", "b"}}}),
               "unknown field messages[0].content[0].url"},
              {plan_chat, said({{{"type", "image_url"}}}),
               "messages[0].content[0].image_url: expected an object with a url, found none"},
              {plan_chat, said({{{"type", "input_audio"}, {"input_audio", {{"data", ""}}}}}),
               "messages[0].content[0].input_audio.data: expected base64 data, found something else"}},
             card_with(true));
  // An assistant that said nothing is no content; with something else said, it is passed over.
  const Json silent = {{"role", "assistant"}, {"tool_calls", Json::array()}};
  EXPECT_EQ(said_of([&] { chat(message(silent)); }), "messages: expected some content, found none");
  Json turn = kChat;
  turn["messages"].push_back(silent);
  EXPECT_EQ(chat(turn).wish.asked.parts.size(), 1u);
}

TEST(RightFields, AreUnderstood) {
  Json body = with(kChat, "sampler", "ddim");
  body["num_inference_steps"] = 7;
  body["stop"] = {"a", "b", "c", "d"};
  body["audio"] = {{"voice", "any"}, {"format", "wav"}};
  body["user"] = "me";
  body["logit_bias"] = Json::object();
  const generate::Wish wish = chat(body).wish;
  EXPECT_EQ(wish.asked.sampler, "ddim");
  EXPECT_EQ(wish.asked.steps, 7);
  EXPECT_EQ(wish.stop.size(), 4u);
  EXPECT_EQ(chat(with(kChat, "sampler", "ddpm")).wish.asked.sampler, "ddpm");
  // The newer name of the two.
  EXPECT_EQ(chat(with(with(kChat, "max_tokens", 5), "max_completion_tokens", 6)).wish.asked.max_tokens, 6);
  const auto speech_in = [](const Json& format) {
    return plan_speech(with(kSpeech, "response_format", format).dump(), card_with(false))
        .format->whole({{.kind = Event::Kind::kSound, .data = std::string(44, 'h') + "samples"}}, {});
  };
  EXPECT_EQ(speech_in("pcm").body, "samples");
  EXPECT_EQ(speech_in("wav").body.size(), 51u);
  EXPECT_EQ(speech_in(nullptr).content_type, "audio/wav");
}

// Forms, of which a file is a part.

Plan transcription(const std::string& body, const std::string& type = "multipart/form-data; boundary=x") {
  return plan_transcription(body, type, card_with(false));
}
std::string part(const std::string& header, const std::string& content = "a") {
  return "--x\r\n" + header + "\r\n\r\n" + content + "\r\n";
}

TEST(Forms, FieldsOfATranscription) {
  const std::vector<std::tuple<std::string, std::string, std::string>> wrong = {
      {"n", "2", "n: expected 1, found 2"},
      {"response_format", "srt", "response_format: expected \"json\" or \"text\", found \"srt\""},
      {"stream", "yes", "stream: expected true or false, found \"yes\""},
      {"max_tokens", "0", "max_tokens: expected an integer from 1 to 1000000, found 0"},
      {"max_tokens", "[1]", "max_tokens: expected an integer from 1 to 1000000, found \"[1]\""},
      {"model", "whisper-1", "404 model: expected \"tiny\", found \"whisper-1\""},
      {"temperature", "hot", "temperature: expected a number from 0.0 to 100.0, found \"hot\""},
      {"language", "en", "unknown field language"}};
  for (const auto& [name, value, message] : wrong)
    EXPECT_EQ(said_of([&, n = name, v = value] { transcription(form({{"file", "a"}, {n, v}})); }), message);
  EXPECT_EQ(said_of([] { transcription(form({{"file", ""}})); }), "file: expected a sound file, found none");
  const std::string name("\0x", 2);
  EXPECT_TRUE(said_of([&] {
                transcription(form({{name, "a"}, {name, "a"}}));
              }).starts_with("\\x00x: "))
      << "a NUL ends nothing";
  EXPECT_EQ(said_of([] {
              transcription(form({{"n", "1"}, {"file", "a"}, {"n", "1"}}));
            }),
            "n: expected one value, found two");
  const Plan plan = transcription(form({{"prompt", ""},
                                        {"response_format", "text"},
                                        {"file", "sound"},
                                        {"stream", "true"},
                                        {"seed", "7"},
                                        {"max_tokens", "9"}}));
  ASSERT_EQ(plan.wish.asked.parts.size(), 1u);  // an empty prompt is none
  EXPECT_EQ(plan.wish.asked.parts[0].content, "sound");
  EXPECT_TRUE(plan.stream);
  EXPECT_EQ(plan.wish.seed, 7u);
  EXPECT_EQ(plan.wish.asked.max_tokens, 9);
  EXPECT_EQ(plan.format->whole({}, {}).content_type, "text/plain; charset=utf-8");
}

// As clients of all kinds write them.
TEST(Forms, HeadersAreReadAsTheyAreWritten) {
  for (const char* type :
       {"multipart/form-data; boundary=x", "Multipart/Form-Data;boundary=\"x\"",
        "multipart/form-data; charset=utf-8; BOUNDARY=x", "multipart/form-data; a=\"b;c\"; boundary=x"})
    EXPECT_EQ(transcription(form({{"file", "sound"}}), type).wish.asked.parts[0].content, "sound") << type;
  for (const char* header :
       {"Content-Disposition: form-data; name=\"file\"; filename=\"a; name=b.wav\"",
        "content-disposition: form-data; name=file",
        "CONTENT-DISPOSITION: form-data; filename=a.wav; Name=file",
        "Content-Type: audio/wav\r\nContent-Disposition: form-data;\tname=\"file\"\r\nX-Y: z"})
    EXPECT_EQ(transcription(part(header, "sound") + "--x--").wish.asked.parts[0].content, "sound") << header;
}

TEST(Forms, ThatAreBrokenSayHow) {
  const auto broken = [](const std::string& how) {
    return "body: expected a form (multipart/form-data), found " + how;
  };
  const std::string good = "Content-Disposition: form-data; name=\"file\"";
  for (const auto& [body, message] : std::vector<std::pair<std::string, std::string>>{
           {"", broken("another beginning than the boundary")},
           {"--y\r\n", broken("another beginning than the boundary")},
           {"--x", broken("a boundary that goes on")},
           {"--xy\r\n" + good, broken("a boundary that goes on")},
           {part(good), broken("no end")},
           {part(good) + "--x", broken("a boundary that goes on")},
           {"--x\r\n" + good + "\r\na\r\n--x--", broken("a part without a header")},
           {part("Content-Type: audio/wav") + "--x--", broken("a part without a name")},
           {part("Content-Disposition: form-data") + "--x--", broken("a part without a name")},
           {part("Content-Disposition: form-data;") + "--x--", broken("a part without a name")},
           {part("Content-Disposition: form-data; name") + "--x--", broken("a part without a name")},
           {part("Content-Disposition: form-data; name=") + "--x--", broken("a part without a name")},
           {part("Content-Disposition: form-data; name=\"\"") + "--x--", broken("a part without a name")}})
    EXPECT_EQ(said_of([&, b = body] { transcription(b); }), message) << body;
  for (const char* type : {"multipart/form-data", "multipart/form-data;", "multipart/form-data; boundary",
                           "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\""})
    EXPECT_EQ(said_of([&] { transcription("--\r\n", type); }), broken("no boundary")) << type;
  const std::string type = "multipart/form-data; boundary=", long_one(71, 'x');
  EXPECT_EQ(said_of([&] { transcription("--" + long_one, type + long_one); }), broken("no boundary"));
  std::vector<std::pair<std::string, std::string>> many(64, {"file", "a"});
  EXPECT_EQ(said_of([&] { transcription(form(many)); }), "file: expected one value, found two");
  many.emplace_back("file", "a");
  EXPECT_EQ(said_of([&] { transcription(form(many)); }), broken("more than 64 parts"));
  EXPECT_EQ(said_of([] { transcription("{}", "application/json"); }),
            "415 expected Content-Type multipart/form-data");
}

TEST(Forms, NeedNotNameAModel) {
  const http::Request request{.path = kTranscriptions,
                              .content_type = "multipart/form-data; boundary=x",
                              .body = form({{"file", "model"}, {"prompt", "a"}})};
  EXPECT_EQ(named_model(request), std::nullopt);
  for (const char* body : {"[]", "3", "{}", R"({"model": null})", R"({"model": ["a"]})"})
    EXPECT_EQ(named_model({.path = "/v1/completions", .body = body}), std::nullopt) << body;
}

}  // namespace
}  // namespace mom::serve
