#include "mom/serve/requests.h"

#include <algorithm>
#include <set>

#include "mom/base/base64.h"
#include "mom/base/error.h"
#include "mom/serve/fields.h"
#include "mom/serve/formats.h"
#include "mom/serve/multipart.h"

namespace mom::serve {
namespace {

using codecs::MediaKind;

constexpr int kMaxDepth = 32;
constexpr int64_t kMaxMessages = 10'000, kMaxContentParts = 64, kMaxStops = 4, kMaxPreviews = 16;
constexpr int64_t kMaxSteps = 1000;

const Card::Kind& require(const Card& card, MediaKind media, const std::string& field) {
  const Card::Kind* kind = card.of(media);
  if (!kind)
    throw ApiError(400, field + ": this model has no " + codecs::noun(media) + "s", field,
                   "unsupported_modality");
  return *kind;
}

void read_model(Fields& fields, const Card& card) {
  const std::optional<std::string> model = fields.text("model");
  if (model && *model != card.id)
    throw ApiError(404, "model: expected \"" + card.id + "\", found " + shown(*model), "model",
                   "model_not_found");
}

// Of all requests.
void read_common(Fields& fields, const Card& card, Wish& wish) {
  read_model(fields, card);
  // A seed nobody gave is told to the client, who can ask for the same again.
  wish.seed = static_cast<uint64_t>(fields.integer("seed", INT64_MIN, INT64_MAX).value_or(fresh_seed()));
  wish.count = fields.integer("n", 1, card.max_answers).value_or(1);
  fields.ignore({"user", "safety_identifier", "metadata", "service_tier", "prompt_cache_key",
                 "prompt_cache_retention"});
}

void read_sampling(Fields& fields, Wish& wish) {
  generate::SamplingOptions& sampling = wish.asked.sampling;
  sampling.temperature = fields.number("temperature", 0, 100).value_or(1);
  sampling.top_p = fields.number("top_p", 0, 1).value_or(1);
  sampling.top_k = fields.integer("top_k", 0, 1'000'000'000).value_or(0);
  sampling.min_p = fields.number("min_p", 0, 1).value_or(0);
  sampling.repetition_penalty = fields.number("repetition_penalty", 0.01, 100).value_or(1);
}

void read_drawing(Fields& fields, const Card& card, Wish& wish) {
  generate::Asked& asked = wish.asked;
  asked.guidance = fields.number("guidance_scale", 0, 100);
  asked.steps = fields.integer("num_inference_steps", 1, kMaxSteps);
  asked.sampler = fields.text("sampler");
  if (asked.sampler && *asked.sampler != "ddpm" && *asked.sampler != "ddim")
    throw wrong_field("sampler", "\"ddpm\" or \"ddim\"", "\"" + *asked.sampler + "\"");
  if ((asked.steps || asked.sampler) && !card.has_latents)
    throw ApiError(400,
                   std::string(asked.steps ? "num_inference_steps" : "sampler") +
                       ": the images of this model are codes, which are not denoised",
                   asked.steps ? "num_inference_steps" : "sampler");
}

void read_stop(Fields& fields, Wish& wish) {
  const Json* stop = fields.find("stop");
  if (!stop) return;
  const std::string expected = "a string, or a list of up to 4, none empty";
  if (stop->is_string()) {
    wish.stop = {stop->get<std::string>()};
  } else if (stop->is_array() && static_cast<int64_t>(stop->size()) <= kMaxStops) {
    for (const Json& one : *stop) {
      if (!one.is_string()) throw fields.wrong("stop", expected, one);
      wish.stop.push_back(one.get<std::string>());
    }
  } else {
    throw fields.wrong("stop", expected, *stop);
  }
  if (std::count(wish.stop.begin(), wish.stop.end(), "") > 0) throw fields.wrong("stop", expected, *stop);
}

// Features of other models, which change nothing when they are off.
void refuse_foreign(Fields& fields) {
  fields.only("presence_penalty", 0);
  fields.only("frequency_penalty", 0);
  fields.only("logit_bias", Json::object());
  fields.ignore({"store"});
}

struct StreamOptions {
  bool stream = false, usage = false;
};
StreamOptions read_stream(Fields& fields) {
  StreamOptions options{fields.boolean("stream").value_or(false), false};
  if (const Json* value = fields.find("stream_options")) {
    Fields inner(*value, "stream_options");
    options.usage = inner.boolean("include_usage").value_or(false);
    inner.ignore({"include_obfuscation"});
    inner.finish();
  }
  return options;
}

std::string decode_data(const std::string& base64, const std::string& path) {
  std::optional<std::string> bytes = decode_base64(base64);
  if (!bytes || bytes->empty()) throw wrong_field(path, "base64 data", "something else");
  return std::move(*bytes);
}

// "data:image/png;base64,...": nothing is ever fetched.
std::string decode_data_uri(const std::string& uri, const std::string& path) {
  const size_t comma = uri.find(',');
  if (!uri.starts_with("data:") || comma == std::string::npos || !uri.substr(0, comma).ends_with(";base64"))
    throw wrong_field(path, "a data: URI with base64 data (no other address is fetched)",
                      shown(Json(uri.substr(0, 40))));
  return decode_data(uri.substr(comma + 1), path);
}

class ChatPrompt {
 public:
  explicit ChatPrompt(const Card& card) : card_(card) {}

  std::vector<generate::PromptPart> read(const Json& messages) {
    if (!messages.is_array() || messages.empty() || static_cast<int64_t>(messages.size()) > kMaxMessages)
      throw wrong_field("messages", "a list of messages", shown(messages));
    for (size_t i = 0; i < messages.size(); ++i)
      read_message(messages[i], "messages[" + std::to_string(i) + "]");
    if (parts_.empty()) throw wrong_field("messages", "some content", "none");
    return std::move(parts_);
  }

 private:
  void read_message(const Json& json, const std::string& path) {
    Fields message(json, path);
    const std::string role = message.required_text("role");
    static const std::set<std::string> kRoles = {"system", "developer", "user", "assistant"};
    if (!kRoles.count(role))
      throw wrong_field(path + ".role", "system, developer, user or assistant", "\"" + role + "\"");
    begins_message_ = true;
    const Json* content = message.find("content");
    message.ignore({"name"});
    if (role == "assistant") {
      // What this server answered may be sent back as it is: parts[] says all of it.
      if (const Json* parts = message.find("parts")) content = parts;
      message.ignore(
          {"images", "audio", "refusal", "annotations", "function_call", "tool_calls", "reasoning_content"});
      if (!content) return message.finish();
    }
    message.finish();
    if (!content) throw wrong_field(path + ".content", "a string or a list of parts", "none");
    const std::string content_path =
        path + (role == "assistant" && json.contains("parts") ? ".parts" : ".content");
    if (content->is_string()) return add_text(content->get<std::string>());
    if (!content->is_array() || static_cast<int64_t>(content->size()) > kMaxContentParts)
      throw wrong_field(content_path, "a string or a list of up to 64 parts", shown(*content));
    for (size_t i = 0; i < content->size(); ++i)
      read_part((*content)[i], content_path + "[" + std::to_string(i) + "]");
  }

  void read_part(const Json& json, const std::string& path) {
    Fields part(json, path);
    const std::string type = part.required_text("type");
    if (type == "text") {
      add_text(part.required_text("text"));
    } else if (type == "image_url") {
      const std::string modality = require(card_, MediaKind::kImage, path + ".type").modality;
      Fields image(part.required("image_url", "an object with a url"), path + ".image_url");
      const std::string where = path + ".image_url.url";
      parts_.push_back({modality, decode_data_uri(image.required_text("url"), where), where});
      image.ignore({"detail"});
      image.finish();
    } else if (type == "input_audio") {
      const std::string modality = require(card_, MediaKind::kSound, path + ".type").modality;
      Fields sound(part.required("input_audio", "an object with data"), path + ".input_audio");
      const std::string where = path + ".input_audio.data";
      parts_.push_back({modality, decode_data(sound.required_text("data"), where), where});
      sound.ignore({"format"});  // the bytes say it
      sound.finish();
    } else if (type == "array") {
      Fields array(part.required("array", "an object with modality and data"), path + ".array");
      const std::string modality = array.required_text("modality"), where = path + ".array.data";
      const bool known =
          std::any_of(card_.modalities.begin(), card_.modalities.end(), [&](const Card::Kind& kind) {
            return kind.media == MediaKind::kArray && kind.modality == modality;
          });
      if (!known)
        throw ApiError(400, path + ".array.modality: this model has no arrays of \"" + modality + "\"",
                       path + ".array.modality", "unsupported_modality");
      parts_.push_back({modality, decode_data(array.required_text("data"), where), where});
      array.only("format", "npy");
      array.finish();
    } else {
      throw wrong_field(path + ".type", "text, image_url, input_audio or array", "\"" + type + "\"");
    }
    part.finish();
  }

  // Models know no roles: messages follow each other, texts on lines of their own.
  void add_text(std::string text) {
    if (text.empty()) return;
    const bool after_text = !parts_.empty() && parts_.back().modality == modality::kTextName;
    if (begins_message_ && after_text) text = "\n" + text;
    begins_message_ = false;
    parts_.push_back({modality::kTextName, std::move(text), "messages"});
  }

  const Card& card_;
  std::vector<generate::PromptPart> parts_;
  bool begins_message_ = false;
};

// One modality; or all of the model's, which it then writes as it likes.
void read_modalities(Fields& fields, const Card& card, generate::Asked& asked) {
  const Json* modalities = fields.find("modalities");
  if (!modalities) return;
  std::set<std::string> wanted, all;
  std::string expected;
  for (const Card::Kind& kind : card.modalities) {
    all.insert(api_name(kind));
    expected += (expected.empty() ? "" : ", ") + ("\"" + std::string(api_name(kind)) + "\"");
  }
  expected = "a list of one of " + expected + ", or of all of them";
  if (!modalities->is_array() || modalities->empty()) throw fields.wrong("modalities", expected, *modalities);
  for (const Json& one : *modalities) {
    if (!one.is_string() || !all.count(one.get<std::string>()))
      throw fields.wrong("modalities", expected, one);
    wanted.insert(one.get<std::string>());
  }
  if (wanted.size() == 1) {
    for (const Card::Kind& kind : card.modalities)
      if (*wanted.begin() == api_name(kind)) asked.modality = kind.modality;
  } else if (wanted == all) {
    asked.interleaved = true;
  } else {
    throw fields.wrong("modalities", expected, *modalities);
  }
}

void read_max_tokens(Fields& fields, const Card& card, generate::Asked& asked) {
  const std::optional<int64_t> newer = fields.integer("max_completion_tokens", 1, card.max_tokens),
                               older = fields.integer("max_tokens", 1, card.max_tokens);
  asked.max_tokens = newer ? newer : older;
}

// Of each image while it is drawn: for who sees it grow.
int64_t read_previews(Fields& fields, bool stream) {
  const int64_t count = fields.integer("partial_images", 0, kMaxPreviews).value_or(0);
  return stream ? count : 0;
}

std::string prompt_text(Fields& fields, const std::string& name) {
  const std::string text = fields.required_text(name);
  if (text.empty()) throw wrong_field(name, "text", "none");
  return text;
}

}  // namespace

Json parse_body(const std::string& body) {
  try {
    return parse_json(body, "body", {.max_bytes = size_t{1} << 30, .max_depth = kMaxDepth});
  } catch (const InputError& error) {
    throw ApiError(400, error.what(), "body");
  }
}

std::optional<std::string> named_model(const http::Request& request) {
  if (request.path == kTranscriptions) {
    for (const FormPart& part : parse_form(request.body, request.content_type))
      if (part.name == "model") return part.content;
    return std::nullopt;
  }
  const Json json = parse_body(request.body);
  if (!json.is_object() || !json.contains("model") || !json["model"].is_string()) return std::nullopt;
  return json["model"].get<std::string>();
}

Plan plan_chat(const std::string& body, const Card& card) {
  const Json json = parse_body(body);
  Fields fields(json, "");
  Plan plan;
  Wish& wish = plan.wish;
  wish.asked.parts = ChatPrompt(card).read(fields.required("messages", "a list of messages"));
  read_common(fields, card, wish);
  read_sampling(fields, wish);
  read_drawing(fields, card, wish);
  read_stop(fields, wish);
  read_modalities(fields, card, wish.asked);
  read_max_tokens(fields, card, wish.asked);
  refuse_foreign(fields);
  wish.log_probabilities = fields.boolean("logprobs").value_or(false);
  fields.only("top_logprobs", 0);
  fields.only("response_format", {{"type", "text"}});
  if (const Json* audio = fields.find("audio")) {
    Fields inner(*audio, "audio");
    inner.ignore({"voice"});  // the model has one way to speak
    inner.only("format", "wav");
    inner.finish();
  }
  const StreamOptions stream = read_stream(fields);
  plan.stream = stream.stream;
  wish.previews = read_previews(fields, plan.stream);
  fields.finish();
  plan.format = chat_format(card, wish, stream.usage);
  return plan;
}

Plan plan_completion(const std::string& body, const Card& card) {
  const Json json = parse_body(body);
  Fields fields(json, "");
  Plan plan;
  Wish& wish = plan.wish;
  const std::string expected = "a string, or a list of token ids";
  const Json* prompt = &fields.required("prompt", expected);
  if (prompt->is_array() && prompt->size() == 1 && prompt->front().is_string()) prompt = &prompt->front();
  if (prompt->is_string() && !prompt->get<std::string>().empty()) {
    wish.asked.parts = {{modality::kTextName, prompt->get<std::string>(), "prompt"}};
  } else if (prompt->is_array() && !prompt->empty()) {
    for (const Json& id : *prompt) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(card.vocab_size))
        throw wrong_field("prompt", "token ids from 0 to " + std::to_string(card.vocab_size - 1), shown(id));
      wish.asked.tokens.push_back(id.get<int64_t>());
    }
  } else {
    throw fields.wrong("prompt", expected, *prompt);
  }
  read_common(fields, card, wish);
  read_sampling(fields, wish);
  read_stop(fields, wish);
  wish.asked.max_tokens = fields.integer("max_tokens", 1, card.max_tokens);
  refuse_foreign(fields);
  const std::optional<int64_t> logprobs = fields.integer("logprobs", 0, 0);
  wish.log_probabilities = logprobs.has_value();
  fields.only("echo", false);
  fields.only("best_of", 1);
  fields.only("suffix", "");
  const StreamOptions stream = read_stream(fields);
  fields.finish();
  plan.stream = stream.stream;
  plan.format = completion_format(card, wish, stream.usage);
  return plan;
}

Plan plan_image(const std::string& body, const Card& card) {
  const Json json = parse_body(body);
  Fields fields(json, "");
  Plan plan;
  Wish& wish = plan.wish;
  wish.asked.modality = require(card, MediaKind::kImage, "model").modality;
  wish.asked.parts = {{modality::kTextName, prompt_text(fields, "prompt"), "prompt"}};
  read_common(fields, card, wish);
  read_sampling(fields, wish);
  read_drawing(fields, card, wish);
  fields.only("response_format", "b64_json");
  fields.only("output_format", "png");
  fields.only("background", "auto");
  // Quality and size are the codec's own; the answer says which size that is.
  fields.ignore({"size", "quality", "style", "moderation", "output_compression"});
  plan.stream = fields.boolean("stream").value_or(false);
  wish.previews = read_previews(fields, plan.stream);
  if (plan.stream && wish.count > 1) throw wrong_field("n", "1, for a stream", std::to_string(wish.count));
  fields.finish();
  plan.format = image_format(card, wish);
  return plan;
}

Plan plan_speech(const std::string& body, const Card& card) {
  const Json json = parse_body(body);
  Fields fields(json, "");
  Plan plan;
  Wish& wish = plan.wish;
  wish.asked.modality = require(card, MediaKind::kSound, "model").modality;
  wish.asked.parts = {{modality::kTextName, prompt_text(fields, "input"), "input"}};
  read_common(fields, card, wish);
  read_sampling(fields, wish);
  read_max_tokens(fields, card, wish.asked);
  if (wish.count > 1) throw wrong_field("n", "1", std::to_string(wish.count));
  fields.ignore({"voice"});  // the model has one way to speak
  fields.only("speed", 1);
  fields.only("stream_format", "audio");
  const std::string format = fields.text("response_format").value_or("wav");
  if (format != "wav" && format != "pcm")
    throw wrong_field("response_format", "\"wav\" or \"pcm\"", "\"" + format + "\"");
  fields.finish();
  plan.format = speech_format(format == "pcm");
  return plan;
}

Plan plan_transcription(const std::string& body, const std::string& content_type, const Card& card) {
  Json json = Json::object();
  Plan plan;
  Wish& wish = plan.wish;
  const std::string modality = require(card, MediaKind::kSound, "model").modality;
  std::string text_before;
  bool has_file = false;
  for (FormPart& part : parse_form(body, content_type)) {
    if (json.contains(part.name) || (part.name == "file" && has_file))
      throw wrong_field(part.name, "one value", "two");
    if (part.name == "file") {
      wish.asked.parts.push_back({modality, std::move(part.content), "file"});
      has_file = true;
      continue;
    }
    // Numbers and truth values of a form are text, as is what looks like them in a text.
    static const std::set<std::string> kTexts = {"model", "prompt", "response_format", "language"};
    const Json value = Json::parse(part.content, nullptr, /*allow_exceptions=*/false);
    json[part.name] = kTexts.count(part.name) == 0 && (value.is_number() || value.is_boolean())
                          ? value
                          : Json(part.content);
  }
  Fields fields(json, "");
  fields.ignore({"file"});
  if (!has_file || wish.asked.parts.front().content.empty())
    throw wrong_field("file", "a sound file", "none");
  read_common(fields, card, wish);
  read_sampling(fields, wish);
  read_max_tokens(fields, card, wish.asked);
  if (wish.count > 1) throw wrong_field("n", "1", std::to_string(wish.count));
  if (const std::optional<std::string> prompt = fields.text("prompt"); prompt && !prompt->empty())
    wish.asked.parts.push_back({modality::kTextName, *prompt, "prompt"});
  plan.stream = fields.boolean("stream").value_or(false);
  const std::string format = fields.text("response_format").value_or("json");
  if (format != "json" && format != "text")
    throw wrong_field("response_format", "\"json\" or \"text\"", "\"" + format + "\"");
  fields.finish();
  plan.format = transcription_format(format == "text");
  return plan;
}

}  // namespace mom::serve
