#include "mom/serve/formats.h"

#include <chrono>
#include <random>

#include "mom/base/base64.h"
#include "mom/serve/json_form.h"

namespace mom::serve {
namespace {

using Kind = Event::Kind;

constexpr size_t kWavHeaderBytes = 44;  // of what codecs::to_file writes

int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string fresh_id(const char* prefix) {
  char digits[20];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(fresh_seed()));
  return std::string(prefix) + digits;
}

const char* finish_name(Finish finish) { return finish == Finish::kStop ? "stop" : "length"; }

OrderedJson usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

OrderedJson bytes_json(const std::string& bytes) {
  OrderedJson list = OrderedJson::array();
  for (const char byte : bytes) list.push_back(static_cast<unsigned char>(byte));
  return list;
}

// A piece as text: what is not UTF-8 by itself is replaced, the bytes beside it are exact.
std::string text_of_piece(const std::string& bytes) {
  return Json::parse(Json(bytes).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

OrderedJson chat_logprobs(const std::vector<TokenText>& tokens) {
  OrderedJson list = OrderedJson::array();
  for (const TokenText& one : tokens)
    list.push_back({{"token", text_of_piece(one.bytes)},
                    {"logprob", one.log_probability},
                    {"bytes", bytes_json(one.bytes)},
                    {"top_logprobs", OrderedJson::array()},
                    {"id", one.id}});
  return {{"content", list}};
}

OrderedJson image_part(const std::string& png) {
  return {{"type", "image_url"}, {"image_url", {{"url", "data:image/png;base64," + encode_base64(png)}}}};
}
OrderedJson sound_part(const std::string& wav) {
  return {{"type", "input_audio"}, {"input_audio", {{"data", encode_base64(wav)}, {"format", "wav"}}}};
}

// Codes or latents for a decoder that is not here.
OrderedJson array_part(const Event& event) {
  return {{"type", "array"},
          {"array", {{"modality", event.modality}, {"format", "npy"}, {"data", encode_base64(event.data)}}}};
}

// What one answer is put together from.
struct Whole {
  std::string text;
  OrderedJson images = OrderedJson::array(), parts = OrderedJson::array(), audio;
  std::vector<TokenText> tokens;
  Finish finish = Finish::kStop;
  bool has_text = false;

  void add(const Event& event, const std::string& id) {
    tokens.insert(tokens.end(), event.tokens.begin(), event.tokens.end());
    if (event.kind == Kind::kText && !event.data.empty()) {
      text += event.data;
      if (!parts.empty() && parts.back()["type"] == "text")
        parts.back()["text"] = parts.back()["text"].get<std::string>() + event.data;
      else
        parts.push_back({{"type", "text"}, {"text", event.data}});
      has_text = true;
    } else if (event.kind == Kind::kImage) {
      images.push_back(image_part(event.data));
      parts.push_back(images.back());
    } else if (event.kind == Kind::kSound) {
      parts.push_back(sound_part(event.data));
      if (audio.is_null())
        audio = {{"id", "audio_" + id},
                 {"data", encode_base64(event.data)},
                 {"expires_at", 0},
                 {"transcript", ""}};
    } else if (event.kind == Kind::kArray) {
      parts.push_back(array_part(event));
    } else if (event.kind == Kind::kEnd) {
      finish = event.finish;
    }
  }
};

std::vector<Whole> wholes_of(const std::vector<Event>& events, int64_t count, const std::string& id) {
  std::vector<Whole> wholes(static_cast<size_t>(count));
  for (const Event& event : events) wholes[event.choice].add(event, id);
  return wholes;
}

class OfModel : public Format {
 public:
  OfModel(const Card& card, const Wish& wish, const char* id_prefix)
      : model_(card.id),
        id_(fresh_id(id_prefix)),
        created_(now()),
        seed_(wish.seed),
        count_(wish.count),
        log_probabilities_(wish.log_probabilities) {}

 protected:
  OrderedJson head(const char* object) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", model_},
            {"system_fingerprint", nullptr},
            {"seed", static_cast<int64_t>(seed_)}};
  }
  // A server-sent event of one choice. `usage`: the stream ends with its usage, so that the others have none.
  JsonForm chunk_form(const char* object, const OrderedJson& choice, bool usage) const {
    OrderedJson json = head(object);
    json["choices"] = OrderedJson::array({choice});
    if (usage) json["usage"] = nullptr;
    return JsonForm("data: ", json, "\n\n");
  }
  // What a stream ends with where its usage is asked for.
  std::string usage_chunk(const char* object, const Usage& usage) const {
    OrderedJson json = head(object);
    json["choices"] = OrderedJson::array();
    json["usage"] = usage_json(usage);
    return server_sent(json);
  }
  const std::string model_, id_;
  const int64_t created_;
  const uint64_t seed_;
  const int64_t count_;
  const bool log_probabilities_;
};

class ChatFormat : public OfModel {
 public:
  ChatFormat(const Card& card, const Wish& wish, bool usage_in_stream)
      : OfModel(card, wish, "chatcmpl-"),
        usage_in_stream_(usage_in_stream),
        chunk_(chunk_form("chat.completion.chunk",
                          {{"index", JsonForm::kOpen},
                           {"delta", JsonForm::kOpen},
                           {"logprobs", JsonForm::kOpen},
                           {"finish_reason", JsonForm::kOpen}},
                          usage_in_stream)) {}

  http::Response whole(const std::vector<Event>& events, const Usage& usage) const override {
    OrderedJson json = head("chat.completion");
    json["choices"] = OrderedJson::array();
    int64_t index = 0;
    for (const Whole& one : wholes_of(events, count_, id_)) {
      OrderedJson message{
          {"role", "assistant"},
          {"content", one.has_text || one.parts.empty() ? OrderedJson(one.text) : OrderedJson()},
          {"refusal", nullptr},
          {"images", one.images},
          {"parts", one.parts}};
      if (!one.audio.is_null()) message["audio"] = one.audio;
      json["choices"].push_back({{"index", index++},
                                 {"message", message},
                                 {"logprobs", log_probabilities_ ? chat_logprobs(one.tokens) : OrderedJson()},
                                 {"finish_reason", finish_name(one.finish)}});
    }
    json["usage"] = usage_json(usage);
    return {.body = json.dump()};
  }

  std::string first() const override {
    std::string events;
    for (int64_t i = 0; i < count_; ++i)
      events += chunk(static_cast<size_t>(i), R"({"role":"assistant","content":""})");
    return events;
  }

  std::string piece(const Event& event) const override {
    if (event.kind == Kind::kPreview)
      return chunk(event.choice, OrderedJson{{"partial_image", image_part(event.data)}}.dump());
    // Of a token that completes no character.
    if (event.kind == Kind::kText && event.data.empty() && !log_probabilities_) return "";
    if (event.kind == Kind::kEnd)
      return chunk(event.choice, "{}", "null", json_text(finish_name(event.finish)));
    return chunk(event.choice, event.kind == Kind::kText ? text_delta(event.data) : delta_of(event).dump(),
                 log_probabilities_ ? chat_logprobs(event.tokens).dump() : "null");
  }

  std::string last(const std::vector<Event>&, const Usage& usage) const override {
    return usage_in_stream_ ? usage_chunk("chat.completion.chunk", usage) : "";
  }

 private:
  static std::string text_delta(const std::string& text) {
    const std::string json = json_text(text);
    if (text.empty()) return "{\"content\":" + json + "}";
    return "{\"content\":" + json + ",\"parts\":[{\"type\":\"text\",\"text\":" + json + "}]}";
  }
  OrderedJson delta_of(const Event& event) const {
    Whole one;
    one.add(event, id_);
    OrderedJson delta = OrderedJson::object();
    if (event.kind == Kind::kImage) delta["images"] = one.images;
    if (event.kind == Kind::kSound) delta["audio"] = one.audio;
    if (!one.parts.empty()) delta["parts"] = one.parts;
    return delta;
  }
  std::string chunk(size_t choice, std::string_view delta, std::string_view logprobs = "null",
                    std::string_view finish = "null") const {
    return chunk_.with({std::to_string(choice), delta, logprobs, finish});
  }
  const bool usage_in_stream_;
  const JsonForm chunk_;
};

class CompletionFormat : public OfModel {
 public:
  CompletionFormat(const Card& card, const Wish& wish, bool usage_in_stream)
      : OfModel(card, wish, "cmpl-"),
        usage_in_stream_(usage_in_stream),
        chunk_(chunk_form(
            "text_completion",
            choice_of(JsonForm::kOpen, JsonForm::kOpen, JsonForm::kOpen, JsonForm::kOpen, JsonForm::kOpen),
            usage_in_stream)) {}

  http::Response whole(const std::vector<Event>& events, const Usage& usage) const override {
    OrderedJson json = head("text_completion");
    json["choices"] = OrderedJson::array();
    size_t index = 0;
    for (const Whole& one : wholes_of(events, count_, id_))
      json["choices"].push_back(
          choice_of(index++, one.text, logprobs_of(one.tokens), finish_name(one.finish), ids_of(one.tokens)));
    json["usage"] = usage_json(usage);
    return {.body = json.dump()};
  }

  std::string piece(const Event& event) const override {
    if (event.kind != Kind::kText && event.kind != Kind::kEnd) return "";
    std::string ids;
    for (const TokenText& one : event.tokens)
      ids.append(ids.empty() ? "[" : ",").append(std::to_string(one.id));
    return chunk_.with({std::to_string(event.choice), json_text(event.data),
                        log_probabilities_ ? logprobs_of(event.tokens).dump() : "null",
                        event.kind == Kind::kEnd ? json_text(finish_name(event.finish)) : "null",
                        ids.empty() ? "[]" : ids + "]"});
  }

  std::string last(const std::vector<Event>&, const Usage& usage) const override {
    return usage_in_stream_ ? usage_chunk("text_completion", usage) : "";
  }

 private:
  static OrderedJson choice_of(const OrderedJson& index, const OrderedJson& text, const OrderedJson& logprobs,
                               const OrderedJson& finish, const OrderedJson& ids) {
    return {
        {"index", index}, {"text", text}, {"logprobs", logprobs}, {"finish_reason", finish}, {"tokens", ids}};
  }
  static OrderedJson ids_of(const std::vector<TokenText>& tokens) {
    OrderedJson ids = OrderedJson::array();
    for (const TokenText& one : tokens) ids.push_back(one.id);
    return ids;
  }
  OrderedJson logprobs_of(const std::vector<TokenText>& tokens) const {
    if (!log_probabilities_) return {};
    OrderedJson texts = OrderedJson::array(), values = OrderedJson::array(), none = OrderedJson::array();
    for (const TokenText& one : tokens) {
      texts.push_back(text_of_piece(one.bytes));
      values.push_back(one.log_probability);
    }
    return {{"tokens", texts}, {"token_logprobs", values}, {"top_logprobs", nullptr}, {"text_offset", none}};
  }
  const bool usage_in_stream_;
  const JsonForm chunk_;
};

class ImageFormat : public Format {
 public:
  explicit ImageFormat(const Wish& wish) : created_(now()), seed_(wish.seed) {}

  http::Response whole(const std::vector<Event>& events, const Usage& usage) const override {
    OrderedJson json{{"created", created_},
                     {"data", OrderedJson::array()},
                     {"output_format", "png"},
                     {"seed", static_cast<int64_t>(seed_)},
                     {"usage", tokens(usage)}};
    size_t count = 0;
    for (const Event& event : events) count = std::max(count, event.choice + 1);
    std::vector<OrderedJson> images(count);
    for (const Event& event : events) {
      if (event.kind != Kind::kImage) continue;
      images[event.choice] = {{"b64_json", encode_base64(event.data)}};
      json["size"] = size_of(event.data);
    }
    for (OrderedJson& image : images)
      if (!image.is_null()) json["data"].push_back(std::move(image));
    return {.body = json.dump()};
  }

  std::string piece(const Event& event) const override {
    if (event.kind != Kind::kPreview) return "";  // the image itself comes with the usage
    OrderedJson json = image("image_generation.partial_image", event.data);
    json["partial_image_index"] = event.number;
    return server_sent(json, "image_generation.partial_image");
  }

  std::string last(const std::vector<Event>& events, const Usage& usage) const override {
    std::string sent;
    for (const Event& event : events) {
      if (event.kind != Kind::kImage) continue;
      OrderedJson json = image("image_generation.completed", event.data);
      json["usage"] = tokens(usage);
      sent += server_sent(json, "image_generation.completed");
    }
    return sent;
  }

  bool last_tells_all() const override { return true; }

 private:
  // Width and height stand in the first chunk of a PNG.
  static std::string size_of(const std::string& png) {
    const auto number = [&](size_t at) {
      uint32_t value = 0;
      for (size_t i = at; i < at + 4 && i < png.size(); ++i)
        value = value << 8 | static_cast<unsigned char>(png[i]);
      return std::to_string(value);
    };
    return number(16) + "x" + number(20);
  }
  OrderedJson image(const char* type, const std::string& png) const {
    return {{"type", type},           {"b64_json", encode_base64(png)},
            {"created_at", created_}, {"size", size_of(png)},
            {"quality", "auto"},      {"background", "opaque"},
            {"output_format", "png"}, {"seed", static_cast<int64_t>(seed_)}};
  }
  static OrderedJson tokens(const Usage& usage) {
    return {{"input_tokens", usage.prompt_tokens},
            {"output_tokens", usage.completion_tokens},
            {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
            {"input_tokens_details", {{"text_tokens", usage.prompt_tokens}, {"image_tokens", 0}}}};
  }
  const int64_t created_;
  const uint64_t seed_;
};

class SpeechFormat : public Format {
 public:
  explicit SpeechFormat(bool pcm) : pcm_(pcm) {}
  http::Response whole(const std::vector<Event>& events, const Usage&) const override {
    for (const Event& event : events) {
      if (event.kind != Kind::kSound) continue;
      if (pcm_) return {.content_type = "audio/pcm", .body = event.data.substr(kWavHeaderBytes)};
      return {.content_type = "audio/wav", .body = event.data};
    }
    return {.status = 500, .body = "{}"};  // a segment of speech is always closed (document_cursor.h)
  }
  std::string piece(const Event&) const override { return ""; }
  std::string last(const std::vector<Event>&, const Usage&) const override { return ""; }

 private:
  const bool pcm_;
};

class TranscriptionFormat : public Format {
 public:
  explicit TranscriptionFormat(bool text_only) : text_only_(text_only) {}
  http::Response whole(const std::vector<Event>& events, const Usage& usage) const override {
    const std::string text = text_of(events);
    if (text_only_) return {.content_type = "text/plain; charset=utf-8", .body = text + "\n"};
    return {.body = OrderedJson{{"text", text}, {"usage", tokens(usage)}}.dump()};
  }
  std::string piece(const Event& event) const override {
    if (event.kind != Kind::kText || event.data.empty()) return "";
    return server_sent({{"type", "transcript.text.delta"}, {"delta", event.data}}, "transcript.text.delta");
  }
  std::string last(const std::vector<Event>& events, const Usage& usage) const override {
    return server_sent(
        {{"type", "transcript.text.done"}, {"text", text_of(events)}, {"usage", tokens(usage)}},
        "transcript.text.done");
  }

  bool last_tells_all() const override { return true; }

 private:
  static std::string text_of(const std::vector<Event>& events) {
    std::string text;
    for (const Event& event : events)
      if (event.kind == Kind::kText) text += event.data;
    return text;
  }
  static OrderedJson tokens(const Usage& usage) {
    return {{"type", "tokens"},
            {"input_tokens", usage.prompt_tokens},
            {"output_tokens", usage.completion_tokens},
            {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
  }
  const bool text_only_;
};

}  // namespace

uint64_t fresh_seed() {
  thread_local std::random_device device;
  return (uint64_t{device()} << 32 | device()) >> 11;  // as much as a JavaScript number holds exactly
}

std::string server_sent(const OrderedJson& data, const std::string& name) {
  return (name.empty() ? "" : "event: " + name + "\n") + "data: " + data.dump() + "\n\n";
}

std::unique_ptr<Format> chat_format(const Card& card, const Wish& wish, bool usage_in_stream) {
  return std::make_unique<ChatFormat>(card, wish, usage_in_stream);
}
std::unique_ptr<Format> completion_format(const Card& card, const Wish& wish, bool usage_in_stream) {
  return std::make_unique<CompletionFormat>(card, wish, usage_in_stream);
}
std::unique_ptr<Format> image_format(const Card&, const Wish& wish) {
  return std::make_unique<ImageFormat>(wish);
}
std::unique_ptr<Format> speech_format(bool pcm) { return std::make_unique<SpeechFormat>(pcm); }
std::unique_ptr<Format> transcription_format(bool text_only) {
  return std::make_unique<TranscriptionFormat>(text_only);
}

}  // namespace mom::serve
