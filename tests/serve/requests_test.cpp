// What a body asks for, and what is said about a wrong one.
#include "mom/serve/requests.h"

#include <gtest/gtest.h>

#include "mom/base/base64.h"
#include "mom/serve/multipart.h"
#include "tests/serve/bodies.h"

namespace mom::serve {
namespace {

TEST(Requests, AChatIsADocument) {
  const Plan plan =
      chat({{"messages",
             {{{"role", "system"}, {"content", "Be short."}},
              {{"role", "user"},
               {"content",
                {{{"type", "text"}, {"text", "what"}},
                 {{"type", "image_url"}, {"image_url", {{"url", "data:image/png;base64,AAEC"}}}},
                 {{"type", "input_audio"}, {"input_audio", {{"data", "AwQ="}, {"format", "wav"}}}},
                 {{"type", "text"}, {"text", "is it?"}}}}}}},
            {"n", 3},
            {"seed", 7},
            {"temperature", 0.5},
            {"max_completion_tokens", 9},
            {"stop", "."},
            {"stream", true},
            {"modalities", {"text", "image", "audio"}}});
  const auto& parts = plan.wish.asked.parts;
  ASSERT_EQ(parts.size(), 5u);
  EXPECT_EQ(parts[0].content, "Be short.");
  EXPECT_EQ(parts[1].content, "\nwhat");  // a message's text begins a line
  EXPECT_EQ(parts[2].modality, "image");
  EXPECT_EQ(parts[2].content, std::string("\0\1\2", 3));
  EXPECT_EQ(parts[3].modality, "speech");
  EXPECT_EQ(parts[4].content, "is it?");
  EXPECT_TRUE(plan.stream);
  EXPECT_TRUE(plan.wish.asked.interleaved);
  EXPECT_EQ(plan.wish.count, 3);
  EXPECT_EQ(plan.wish.seed, 7u);
  EXPECT_EQ(plan.wish.asked.max_tokens, 9);
  EXPECT_EQ(plan.wish.stop, std::vector<std::string>{"."});
  EXPECT_EQ(chat(with(kChat, "modalities", {"audio"})).wish.asked.modality, "speech");
  EXPECT_NE(chat(kChat).wish.seed, chat(kChat).wish.seed);
}

// An answer can be sent back as it came; its parts say all of it.
TEST(Requests, AnAnswerIsSentBackAsItCame) {
  const Card card = card_with(false);
  const Wish wish;
  const std::vector<Event> events = {{.kind = Event::Kind::kText, .data = "a "},
                                     {.kind = Event::Kind::kText, .data = "disc"},
                                     {.kind = Event::Kind::kImage, .data = "PNG"},
                                     {.kind = Event::Kind::kSound, .data = "WAV"},
                                     {.kind = Event::Kind::kEnd}};
  const Plan first = chat(kChat);
  const Json answer = Json::parse(first.format->whole(events, {3, 4}).body);
  EXPECT_EQ(answer["usage"]["total_tokens"], 7);
  const Json message = answer["choices"][0]["message"];
  EXPECT_EQ(message["content"], "a disc");
  EXPECT_EQ(message["images"].size(), 1u);
  EXPECT_EQ(message["parts"].size(), 3u);
  Json turn = kChat;
  turn["messages"].push_back(message);
  turn["messages"].push_back({{"role", "user"}, {"content", "more"}});
  const auto parts = chat(turn).wish.asked.parts;
  ASSERT_EQ(parts.size(), 5u);
  EXPECT_EQ(parts[1].content, "\na disc");
  EXPECT_EQ(parts[2].content, "PNG");
  EXPECT_EQ(parts[3].content, "WAV");
}

TEST(Requests, ANumberOutOfRangeIsNamed) {
  const std::vector<Json> odd = {-1,   0,   uint64_t{1} << 63, 1e308, "3", Json::array(),
                                 true, 0.5, Json::object()};
  // Which of them each field takes, as a string of their places.
  const std::vector<std::tuple<std::string, std::string>> fields = {{"n", ""},
                                                                    {"max_tokens", ""},
                                                                    {"max_completion_tokens", ""},
                                                                    {"seed", "01"},
                                                                    {"temperature", "17"},
                                                                    {"top_p", "17"},
                                                                    {"top_k", "1"},
                                                                    {"min_p", "17"},
                                                                    {"repetition_penalty", "7"},
                                                                    {"guidance_scale", "17"},
                                                                    {"num_inference_steps", ""},
                                                                    {"presence_penalty", "1"},
                                                                    {"frequency_penalty", "1"},
                                                                    {"top_logprobs", "1"}};
  for (const auto& [field, good] : fields) {
    EXPECT_EQ(field_of([&, name = field] { chat(with(kChat, name, nullptr)); }), "no error") << field;
    for (size_t i = 0; i < odd.size(); ++i) {
      const bool fits = good.find(static_cast<char>('0' + i)) != std::string::npos;
      EXPECT_EQ(field_of([&, name = field] { chat(with(kChat, name, odd[i])); }), fits ? "no error" : field)
          << field << " " << odd[i];
    }
  }
}

TEST(Requests, WhatIsWrongIsNamed) {
  const auto field = [](const Json& body) { return field_of([&] { chat(body); }); };
  EXPECT_EQ(field(Json::array()), "body");
  EXPECT_EQ(field(Json::object()), "messages");
  EXPECT_EQ(field({{"messages", Json::array()}}), "messages");
  EXPECT_EQ(field({{"messages", "hello"}}), "messages");
  EXPECT_EQ(field({{"messages", {"hello"}}}), "messages[0]");
  EXPECT_EQ(field(said("x", "tool")), "messages[0].role");
  EXPECT_EQ(field(said(3)), "messages[0].content");
  EXPECT_EQ(field(said(nullptr)), "messages[0].content");
  EXPECT_EQ(field(said("")), "messages");
  EXPECT_EQ(field(said({{{"type", "video"}}})), "messages[0].content[0].type");
  EXPECT_EQ(field(said({{{"type", "text"}}})), "messages[0].content[0].text");
  for (const char* url : {"http://127.0.0.1/x.png", "file:///etc/passwd", "/etc/passwd", "data:image/png,abc",
                          "data:image/png;base64,???", "data:image/png;base64,", ""})
    EXPECT_EQ(field(said({{{"type", "image_url"}, {"image_url", {{"url", url}}}}})),
              "messages[0].content[0].image_url.url")
        << url;
  EXPECT_EQ(field(said({{{"type", "input_audio"}, {"input_audio", {{"data", "@"}}}}})),
            "messages[0].content[0].input_audio.data");
  EXPECT_EQ(field(with(kChat, "modalities", {"video"})), "modalities");
  EXPECT_EQ(field(with(kChat, "modalities", {"text", "image"})), "modalities");  // not all the model has
  EXPECT_EQ(field(with(kChat, "modalities", Json::array())), "modalities");
  EXPECT_EQ(field(with(kChat, "stop", {"a", ""})), "stop");
  EXPECT_EQ(field(with(kChat, "stop", {"a", "b", "c", "d", "e"})), "stop");
  EXPECT_EQ(field(with(kChat, "stream", "yes")), "stream");
  EXPECT_EQ(field(with(kChat, "stream_options", {{"include", true}})), "stream_options.include");
  EXPECT_EQ(field(with(kChat, "response_format", {{"type", "json_object"}})), "response_format");
  EXPECT_EQ(field(with(kChat, "tools", Json::array())), "tools");
  EXPECT_EQ(field(with(kChat, "temprature", 1)), "temprature");
  EXPECT_EQ(field(with(kChat, "sampler", "euler")), "sampler");
  EXPECT_EQ(field_of([] { chat(with(kChat, "model", "gpt-4o")); }, 404), "model");
  EXPECT_EQ(field_of([] { plan_chat("{\"messages\": 1, \"messages\": 2}", card_with(true)); }), "body");
  EXPECT_EQ(field_of([] { plan_chat("{", card_with(true)); }), "body");
  EXPECT_EQ(field_of([] { plan_chat(std::string(1000000, '['), card_with(true)); }), "body");
  EXPECT_EQ(field_of([] { plan_chat("\xff", card_with(true)); }), "body");
  // Steps are of denoising.
  EXPECT_EQ(field_of([] { plan_chat(with(kChat, "num_inference_steps", 5).dump(), card_with(false)); }),
            "num_inference_steps");
  Card text_only = card_with(false);
  text_only.modalities.resize(1);
  EXPECT_EQ(field_of([&] { plan_image(Json{{"prompt", "x"}}.dump(), text_only); }), "model");
  EXPECT_EQ(field_of([&] { plan_speech(kSpeech.dump(), text_only); }), "model");
}

TEST(Requests, CompletionsTakeTextOrIds) {
  const auto plan = [](const Json& body) { return plan_completion(body.dump(), card_with(false)); };
  EXPECT_EQ(plan(kCompletion).wish.asked.parts.front().content, "red disc");
  EXPECT_EQ(plan({{"prompt", {"red disc"}}}).wish.asked.parts.front().content, "red disc");
  EXPECT_EQ(plan({{"prompt", {2, 17, 99}}}).wish.asked.tokens, (std::vector<int64_t>{2, 17, 99}));
  for (const Json& prompt :
       {Json(), Json(""), Json(3), Json::array(), Json{100}, Json{-1}, Json{"a", "b"}, Json{1.5}})
    EXPECT_EQ(field_of([&] { plan({{"prompt", prompt}}); }), "prompt") << prompt;
  EXPECT_EQ(field_of([&] { plan(with(kCompletion, "echo", true)); }), "echo");
  EXPECT_EQ(field_of([&] { plan(with(kCompletion, "best_of", 2)); }), "best_of");
}

TEST(Requests, ImagesAndSpeech) {
  const auto image = [](const Json& body) { return plan_image(body.dump(), card_with(true)); };
  const Json good = {{"prompt", "red disc"}, {"size", "1024x1024"}, {"quality", "high"}, {"n", 2}};
  EXPECT_EQ(image(good).wish.asked.modality, "image");
  EXPECT_EQ(field_of([&] { image(with(good, "response_format", "url")); }), "response_format");
  EXPECT_EQ(field_of([&] { image(with(good, "output_format", "webp")); }), "output_format");
  EXPECT_EQ(field_of([&] { image(with(good, "stream", true)); }), "n");
  EXPECT_EQ(field_of([&] { image(with(good, "prompt", "")); }), "prompt");
  EXPECT_EQ(image({{"prompt", "x"}, {"stream", true}, {"partial_images", 3}}).wish.previews, 3);
  EXPECT_EQ(image({{"prompt", "x"}, {"partial_images", 3}}).wish.previews,
            0);  // whole: nobody could see them
  EXPECT_EQ(field_of([&] { image(with(good, "partial_images", 17)); }), "partial_images");
  const auto speech = [](const Json& body) { return plan_speech(body.dump(), card_with(true)); };
  EXPECT_EQ(speech(kSpeech).wish.asked.modality, "speech");
  EXPECT_EQ(field_of([&] { speech(with(kSpeech, "response_format", "mp3")); }), "response_format");
  EXPECT_EQ(field_of([&] { speech(with(kSpeech, "speed", 2)); }), "speed");
}

TEST(Requests, TranscriptionsAreForms) {
  const std::string type = "multipart/form-data; boundary=x";
  const auto plan = [&](const std::string& body) { return plan_transcription(body, type, card_with(false)); };
  const Plan good =
      plan(form({{"model", "tiny"}, {"file", "RIFF\r\n--y"}, {"prompt", "Entry"}, {"temperature", "0"}}));
  EXPECT_EQ(good.wish.asked.parts[0].content, "RIFF\r\n--y");
  EXPECT_EQ(good.wish.asked.parts[1].content, "Entry");
  EXPECT_EQ(good.wish.asked.sampling.temperature, 0);
  Card seven = card_with(false);
  seven.id = "7";
  const Plan numbers =
      plan_transcription(form({{"model", "7"}, {"file", "a"}, {"prompt", "123"}}), type, seven);
  EXPECT_EQ(numbers.wish.asked.parts[1].content, "123");  // a text, however it looks
  EXPECT_EQ(field_of([&] { plan(form({{"model", "tiny"}})); }), "file");
  EXPECT_EQ(field_of([&] { plan(form({{"file", "a"}, {"file", "b"}})); }), "file");
  EXPECT_EQ(field_of([&] { plan(form({{"file", "a"}, {"temperature", "hot"}})); }), "temperature");
  EXPECT_EQ(field_of([&] { plan(form({{"file", "a"}, {"language", "en"}})); }), "language");
  EXPECT_EQ(field_of([&] { plan("--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc"); }),
            "body");
  for (const char* body : {"", "--x", "--x--", "--x\r\n", "--x\r\n\r\n--x--", "nonsense", "--xx\r\n"})
    EXPECT_NE(field_of([&] { plan(body); }), "no error") << body;
  EXPECT_EQ(field_of([&] { plan_transcription("{}", "application/json", card_with(false)); }, 415), "");
  EXPECT_EQ(field_of([&] { plan_transcription("{}", "multipart/form-data", card_with(false)); }), "body");
}

TEST(Requests, NameTheirModel) {
  const auto named = [](const char* path, std::string body, std::string type) {
    return named_model({.path = path, .content_type = std::move(type), .body = std::move(body)});
  };
  EXPECT_EQ(named("/v1/completions", R"({"model": "a b"})", "multipart/form-data"), "a b");
  EXPECT_EQ(named("/v1/completions", R"({"model": 7})", ""), std::nullopt);
  const std::string body = form({{"file", "x"}, {"model", "7"}});
  EXPECT_EQ(named(kTranscriptions, body, "Multipart/Form-Data; boundary=x"), "7");
  EXPECT_EQ(field_of([&] { named(kTranscriptions, "{}", "application/json"); }, 415), "");
}

// The same whole and in pieces.
TEST(Formats, StreamedIsWhatTheWholeSays) {
  const std::vector<Event> events = {
      {.kind = Event::Kind::kText, .data = "a ", .tokens = {{9, "a ", -0.5}}},
      {.kind = Event::Kind::kText, .data = "disc", .tokens = {{8, "disc", -1}}},
      {.kind = Event::Kind::kEnd, .finish = Finish::kLength}};
  for (const bool completion : {false, true}) {
    Json body = completion ? kCompletion : kChat;
    if (completion)
      body["logprobs"] = 0;
    else
      body["logprobs"] = true;
    body["stream_options"] = {{"include_usage", true}};
    const Plan plan = completion ? plan_completion(body.dump(), card_with(false)) : chat(body);
    const Json whole = Json::parse(plan.format->whole(events, {3, 2}).body);
    std::string sent = plan.format->first();
    for (const Event& event : events) sent += plan.format->piece(event);
    sent += plan.format->last(events, {3, 2});
    std::string text, finish;
    double log_probabilities = 0;
    Json usage;
    for (size_t at = 0; at < sent.size();) {
      const size_t end = sent.find("\n\n", at);
      ASSERT_NE(end, std::string::npos);
      const Json chunk = Json::parse(sent.substr(at + 6, end - at - 6));
      at = end + 2;
      EXPECT_EQ(chunk["id"], whole["id"]);
      if (!chunk["usage"].is_null()) usage = chunk["usage"];
      for (const Json& choice : chunk["choices"]) {
        text += completion ? choice["text"] : choice["delta"].value("content", Json(""));
        if (!choice["finish_reason"].is_null()) finish = choice["finish_reason"];
        if (choice["logprobs"].is_null()) continue;
        if (completion)
          for (const Json& one : choice["logprobs"]["token_logprobs"]) log_probabilities += one.get<double>();
        else
          for (const Json& one : choice["logprobs"]["content"])
            log_probabilities += one["logprob"].get<double>();
      }
    }
    const Json& choice = whole["choices"][0];
    EXPECT_EQ(text, completion ? choice["text"] : choice["message"]["content"]);
    EXPECT_EQ(text, "a disc");
    EXPECT_EQ(finish, choice["finish_reason"]);
    EXPECT_EQ(finish, "length");
    EXPECT_EQ(usage, whole["usage"]);
    EXPECT_EQ(log_probabilities, -1.5);
  }
}

TEST(Errors, AreJson) {
  const Json json = Json::parse(error_json({400, "n: \xff is wrong", "n", "code"}));
  EXPECT_EQ(json["error"]["param"], "n");
  EXPECT_EQ(json["error"]["type"], "invalid_request_error");
  EXPECT_TRUE(Json::parse(error_json({503, "x"}))["error"]["param"].is_null());
  const http::Response busy = to_response({429, "x"});
  EXPECT_EQ(busy.headers.front().first, "Retry-After");
}

TEST(Base64, ComesBack) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
  EXPECT_EQ(encode_base64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
  for (const char* wrong : {"A", "AA", "AAA", "A===", "====", "AA=A", "AA==AAAA", "AA-_", "AAA\n"})
    EXPECT_FALSE(decode_base64(wrong)) << wrong;
}

}  // namespace
}  // namespace mom::serve
