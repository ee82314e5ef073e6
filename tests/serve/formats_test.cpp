// What each route makes of an answer's events, whole and streamed.
#include "mom/serve/formats.h"

#include <gtest/gtest.h>

#include "mom/base/base64.h"
#include "tests/serve/bodies.h"

namespace mom::serve {
namespace {

using Kind = Event::Kind;

const Event kImageEvent{.kind = Kind::kImage, .data = "PNG"},
    kSoundEvent{.kind = Kind::kSound, .data = "WAV"},
    kArrayEvent{.kind = Kind::kArray, .data = "NPY", .modality = "music"},
    kPreviewEvent{.kind = Kind::kPreview, .data = "DRAFT", .number = 2},
    kNoText{.kind = Kind::kText, .tokens = {{195, "\xc3", -2}}},  // half a character
    kEndEvent{.kind = Kind::kEnd, .finish = Finish::kLength};

Event text_event(const std::string& text) { return {.kind = Kind::kText, .data = text}; }
Event of_choice(size_t choice, Event event) {
  event.choice = choice;
  return event;
}
const std::string kPngUrl = "data:image/png;base64," + encode_base64("PNG");
const Json kImagePart = {{"type", "image_url"}, {"image_url", {{"url", kPngUrl}}}};
const Json kSoundPart = {{"type", "input_audio"},
                         {"input_audio", {{"data", encode_base64("WAV")}, {"format", "wav"}}}};
const Json kArrayPart = {
    {"type", "array"}, {"array", {{"modality", "music"}, {"format", "npy"}, {"data", encode_base64("NPY")}}}};

// The choice of a piece that is one event; its delta.
Json choice_of_piece(const Format& format, const Event& event) {
  const std::string piece = format.piece(event);
  EXPECT_TRUE(piece.starts_with("data: {") && piece.ends_with("}\n\n")) << piece;
  return Json::parse(piece.substr(6))["choices"][0];
}
Json delta_of_piece(const Format& format, const Event& event) {
  return choice_of_piece(format, event)["delta"];
}

TEST(ChatFormats, AMessageHasContentWhereItHasText) {
  const auto format = chat_format(card_with(false), {}, false);
  const auto message = [&](const std::vector<Event>& events) {
    return Json::parse(format->whole(events, {}).body)["choices"][0]["message"];
  };
  const Json nothing = message({kEndEvent});
  EXPECT_EQ(nothing["content"], "");
  EXPECT_EQ(nothing["parts"], Json::array());
  EXPECT_FALSE(nothing.contains("audio"));
  const Json image = message({kImageEvent, kEndEvent});
  EXPECT_TRUE(image["content"].is_null());
  EXPECT_EQ(image["images"], Json::array({kImagePart}));
  EXPECT_EQ(image["parts"], Json::array({kImagePart}));
  const Json all = message({text_event("a"),
                            text_event("b"),
                            kSoundEvent,
                            kArrayEvent,
                            kNoText,
                            {.kind = Kind::kSound, .data = "2nd"},
                            text_event("c"),
                            kEndEvent});
  EXPECT_EQ(all["content"], "abc");
  EXPECT_EQ(all["images"], Json::array());
  EXPECT_EQ(all["audio"]["data"], encode_base64("WAV"));  // the first one
  ASSERT_EQ(all["parts"].size(), 5u);
  EXPECT_EQ(all["parts"][0], Json({{"type", "text"}, {"text", "ab"}}));
  EXPECT_EQ(all["parts"][1], kSoundPart);
  EXPECT_EQ(all["parts"][2], kArrayPart);
  EXPECT_EQ(all["parts"][4], Json({{"type", "text"}, {"text", "c"}}));
}

TEST(ChatFormats, AStreamHasEachPartAsADelta) {
  Wish wish;
  wish.count = 2;
  const auto format = chat_format(card_with(false), wish, false);
  const std::string first = format->first();
  for (const int choice : {0, 1})
    EXPECT_NE(first.find("\"index\":" + std::to_string(choice) +
                         ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}"),
              std::string::npos)
        << first;
  EXPECT_EQ(delta_of_piece(*format, text_event("a\"")),
            Json({{"content", "a\""}, {"parts", {{{"type", "text"}, {"text", "a\""}}}}}));
  EXPECT_EQ(delta_of_piece(*format, kImageEvent),
            Json({{"images", Json::array({kImagePart})}, {"parts", Json::array({kImagePart})}}));
  const Json sound = delta_of_piece(*format, kSoundEvent);
  EXPECT_EQ(sound["audio"]["data"], encode_base64("WAV"));
  EXPECT_EQ(sound["parts"], Json::array({kSoundPart}));
  EXPECT_EQ(delta_of_piece(*format, kArrayEvent), Json({{"parts", Json::array({kArrayPart})}}));
  EXPECT_EQ(delta_of_piece(*format, kPreviewEvent)["partial_image"]["image_url"]["url"],
            "data:image/png;base64," + encode_base64("DRAFT"));
  EXPECT_EQ(format->piece(kNoText), "");
  const Json end = choice_of_piece(*format, of_choice(1, kEndEvent));
  EXPECT_EQ(end["index"], 1);
  EXPECT_EQ(end["delta"], Json::object());
  EXPECT_EQ(end["finish_reason"], "length");
  EXPECT_EQ(format->last({}, {}), "");
}

// With log probabilities each token is told, whether it completes a character or not.
TEST(ChatFormats, LogProbabilitiesAreOfEveryToken) {
  Wish wish;
  wish.log_probabilities = true;
  const auto format = chat_format(card_with(false), wish, false);
  const Json choice = choice_of_piece(*format, kNoText);
  EXPECT_EQ(choice["delta"], Json({{"content", ""}}));
  EXPECT_EQ(choice["logprobs"]["content"],
            Json::parse(
                R"([{"token": "\ufffd", "logprob": -2.0, "bytes": [195], "top_logprobs": [], "id": 195}])"));
  EXPECT_EQ(choice_of_piece(*format, kImageEvent)["logprobs"]["content"], Json::array());
  const Json whole = Json::parse(format->whole({kNoText, kEndEvent}, {}).body);
  EXPECT_EQ(whole["choices"][0]["logprobs"], choice["logprobs"]);
}

TEST(CompletionFormats, TextAndItsTokensAlone) {
  Wish wish;
  wish.count = 2;
  const auto format = completion_format(card_with(false), wish, false);
  for (const Event& event : {kImageEvent, kSoundEvent, kArrayEvent, kPreviewEvent})
    EXPECT_EQ(format->piece(event), "");
  const Json half = choice_of_piece(*format, kNoText);
  EXPECT_EQ(half["text"], "");
  EXPECT_EQ(half["tokens"], Json::array({195}));
  EXPECT_TRUE(half["logprobs"].is_null());
  const Json end = choice_of_piece(*format, kEndEvent);
  EXPECT_EQ(end["finish_reason"], "length");
  EXPECT_EQ(end["tokens"], Json::array());
  const Json whole =
      Json::parse(format->whole({of_choice(1, text_event("b")), text_event("a"), of_choice(1, kEndEvent)}, {})
                      .body)["choices"];
  ASSERT_EQ(whole.size(), 2u);
  EXPECT_EQ(whole[0]["text"], "a");
  EXPECT_EQ(whole[1]["text"], "b");
  EXPECT_EQ(whole[0]["finish_reason"], "stop");
  EXPECT_EQ(whole[1]["finish_reason"], "length");
  EXPECT_EQ(format->first() + format->last({}, {1, 2}), "");
}

TEST(ImageFormats, ImagesInOrderWithTheirSize) {
  Wish wish;
  wish.seed = 9;
  const auto format = image_format(card_with(true), wish);
  const auto png = [](const std::string& width) {
    return std::string(16, 'p') + width + std::string("\0\0\1\2", 4) + "rest";
  };
  const std::string small = png(std::string("\0\0\0\x10", 4)), wide = png(std::string("\0\1\0\0", 4));
  // The second answer has no image, and the others come as they are ready.
  const std::vector<Event> events = {of_choice(2, {.kind = Kind::kImage, .data = wide}), kNoText,
                                     of_choice(1, kEndEvent), kPreviewEvent,
                                     of_choice(0, {.kind = Kind::kImage, .data = wide})};
  const Json whole = Json::parse(format->whole(events, {3, 4}).body);
  ASSERT_EQ(whole["data"].size(), 2u);
  EXPECT_EQ(whole["data"][0]["b64_json"], encode_base64(wide));
  EXPECT_EQ(whole["size"], "65536x258");
  EXPECT_EQ(whole["seed"], 9);
  EXPECT_EQ(whole["usage"]["total_tokens"], 7);
  EXPECT_EQ(Json::parse(format->whole({}, {}).body)["data"], Json::array());

  EXPECT_EQ(format->piece({.kind = Kind::kImage, .data = small}), "");  // comes with the usage
  const std::string draft = format->piece({.kind = Kind::kPreview, .data = small, .number = 2});
  EXPECT_TRUE(draft.starts_with("event: image_generation.partial_image\ndata: ")) << draft;
  const Json partial = Json::parse(draft.substr(draft.find("data: ") + 6));
  EXPECT_EQ(partial["partial_image_index"], 2);
  EXPECT_EQ(partial["size"], "16x258");
  EXPECT_TRUE(format->last_tells_all());
  const std::string last = format->last({kNoText, {.kind = Kind::kImage, .data = small}, kEndEvent}, {3, 4});
  EXPECT_TRUE(last.starts_with("event: image_generation.completed\ndata: ")) << last;
  const Json completed = Json::parse(last.substr(last.find("data: ") + 6));
  EXPECT_EQ(completed["b64_json"], encode_base64(small));
  EXPECT_EQ(completed["usage"]["input_tokens"], 3);
}

TEST(SpeechFormats, TheFirstSoundAsItIsAskedFor) {
  const std::string wav = std::string(44, 'h') + "samples";
  const std::vector<Event> events = {
      kNoText, {.kind = Kind::kSound, .data = wav}, {.kind = Kind::kSound, .data = "2nd"}, kEndEvent};
  const auto as_wav = speech_format(false), as_pcm = speech_format(true);
  EXPECT_EQ(as_wav->whole(events, {}).content_type, "audio/wav");
  EXPECT_EQ(as_wav->whole(events, {}).body, wav);
  EXPECT_EQ(as_pcm->whole(events, {}).content_type, "audio/pcm");
  EXPECT_EQ(as_pcm->whole(events, {}).body, "samples");
  EXPECT_EQ(as_wav->whole({kNoText, kEndEvent}, {}).status, 500);
  EXPECT_EQ(as_wav->first() + as_wav->piece(kSoundEvent) + as_wav->last(events, {}), "");
  EXPECT_FALSE(as_wav->last_tells_all());
}

TEST(TranscriptionFormats, TextWholeOrAsItIsHeard) {
  const std::vector<Event> events = {text_event("red "), kNoText, text_event("disc"), kImageEvent, kEndEvent};
  const auto json = transcription_format(false), text = transcription_format(true);
  EXPECT_EQ(Json::parse(json->whole(events, {5, 2}).body),
            Json::parse(R"({"text": "red disc", "usage": {"type": "tokens", "input_tokens": 5,
                            "output_tokens": 2, "total_tokens": 7}})"));
  EXPECT_EQ(text->whole(events, {}).content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(text->whole(events, {}).body, "red disc\n");
  std::string sent;
  for (const Event& event : events) sent += json->piece(event);
  EXPECT_EQ(
      sent,
      "event: transcript.text.delta\ndata: {\"type\":\"transcript.text.delta\",\"delta\":\"red \"}\n\n"
      "event: transcript.text.delta\ndata: {\"type\":\"transcript.text.delta\",\"delta\":\"disc\"}\n\n");
  const std::string last = json->last(events, {5, 2});
  EXPECT_TRUE(last.starts_with(
      "event: transcript.text.done\ndata: {\"type\":\"transcript.text.done\",\"text\":\"red disc\","))
      << last;
  EXPECT_TRUE(json->last_tells_all());
}

}  // namespace
}  // namespace mom::serve
