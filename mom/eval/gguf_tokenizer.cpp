#include "mom/eval/gguf_tokenizer.h"

#include <optional>

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/codecs/sentence_piece.h"
#include "mom/codecs/tokenizer_json.h"
#include "mom/modality/special_tokens.h"
#include "mom/models/hugging_face.h"

namespace mom::eval {
namespace {

// llama.cpp's numbers (llama_token_type).
enum TokenType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

int32_t type_of(codecs::SentencePiece::Kind kind) {
  using Kind = codecs::SentencePiece::Kind;
  switch (kind) {
    case Kind::kUnknown:
      return kUnknown;
    case Kind::kControl:
      return kControl;
    case Kind::kUserDefined:
      return kUserDefined;
    case Kind::kUnused:
      return kUnused;
    case Kind::kByte:
      return kByte;
    case Kind::kNormal:
      break;
  }
  return kNormal;
}

struct Tokens {
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<int32_t> types;
  void add(std::string piece, float score, int32_t type) {
    pieces.push_back(std::move(piece)), scores.push_back(score), types.push_back(type);
  }
  void pad_to(int64_t size) {
    while (std::ssize(pieces) < size) add("[PAD" + std::to_string(pieces.size()) + "]", -1000, kUnused);
  }
};

void check_fits(const Path& file, int64_t size, int64_t vocab_size) {
  if (size > vocab_size)
    throw InputError({file.string(),
                      "at most " + std::to_string(vocab_size) + " tokens, the rows of the model",
                      std::to_string(size), "give the tokenizer that the model was trained with"});
}

void add_sentence_piece(formats::GgufFile& file, const Path& path, int64_t vocab_size) {
  const codecs::SentencePiece model(path);
  check_fits(path, model.size(), vocab_size);
  Tokens tokens;
  for (int32_t id = 0; id < model.size(); ++id)
    tokens.add(model.piece(id), model.score(id), type_of(model.kind(id)));
  tokens.pad_to(vocab_size);
  file.set("tokenizer.ggml.model", "llama");
  file.set("tokenizer.ggml.pre", "default");
  file.set("tokenizer.ggml.tokens", tokens.pieces);
  file.set("tokenizer.ggml.scores", tokens.scores);
  file.set("tokenizer.ggml.token_type", tokens.types);
  file.set("tokenizer.ggml.add_space_prefix", model.adds_space());
}

// Hugging Face's tokenizer.json with byte-level BPE, as GPT-2 and GPT-NeoX have it: one rule of splitting. `where` is its file.
void add_byte_level(formats::GgufFile& file, const Json& json, const Path& where, int64_t vocab_size,
                    int32_t num_controls) {
  const auto part = [&](const char* key) { return json.is_object() ? json.value(key, Json()) : Json(); };
  const Json model = part("model"), pre = part("pre_tokenizer");
  if (!model.is_object() || !model.value("vocab", Json()).is_object() ||
      !model.value("merges", Json()).is_array() || !pre.is_object() ||
      pre.value("type", Json()) != "ByteLevel" || pre.value("use_regex", Json(true)) != true ||
      pre.value("add_prefix_space", Json(false)) != false)
    throw InputError({where.string(), "byte-level BPE as GPT-2 and GPT-NeoX have it", "another tokenizer",
                      "llama.cpp knows others by name only: convert the model with its own script"});
  std::vector<std::pair<std::string, int32_t>> by_id(static_cast<size_t>(vocab_size), {"", 0});
  const auto put = [&](const std::string& piece, const Json& id, int32_t type) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= vocab_size)
      throw InputError({where.string() + ": \"" + piece + "\"", "an id below " + std::to_string(vocab_size),
                        id.dump(), ""});
    by_id[id.get<size_t>()] = {piece, type};
  };
  for (const auto& [piece, id] : model["vocab"].items())
    put(piece, id, id < num_controls ? kControl : kNormal);
  for (const Json& added : json.value("added_tokens", Json::array()))
    put(json_string(added, "content", where.string()), added.value("id", Json()),
        added.value("special", false) ? kControl : kUserDefined);
  std::vector<std::string> merges;
  for (const Json& merge : model["merges"])
    merges.push_back(merge.is_array() ? merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>()
                                      : merge.get<std::string>());
  Tokens tokens;
  for (auto& [piece, type] : by_id)
    type ? tokens.add(piece, 0, type)
         : tokens.add("[PAD" + std::to_string(tokens.pieces.size()) + "]", 0, kUnused);
  file.set("tokenizer.ggml.model", "gpt2");
  file.set("tokenizer.ggml.pre", "gpt-2");
  file.set("tokenizer.ggml.tokens", tokens.pieces);
  file.set("tokenizer.ggml.token_type", tokens.types);
  file.set("tokenizer.ggml.merges", merges);
}

void add_specials(formats::GgufFile& file, const Path& plain) {
  namespace special = modality::special;
  const auto set = [&](const char* key, int64_t id) {
    file.set(std::string("tokenizer.ggml.") + key, static_cast<uint32_t>(id));
  };
  if (plain.empty()) {
    set("bos_token_id", special::kBos);
    set("eos_token_id", special::kEos);
    set("unknown_token_id", special::kUnknown);
    set("padding_token_id", special::kPad);
    file.set("tokenizer.ggml.add_bos_token", true);
    return;
  }
  const Json config = read_json(plain / "config.json");
  for (const char* key : {"bos", "pad"})
    if (const Json id = config.value(std::string(key) + "_token_id", Json()); id.is_number_integer())
      set(key == std::string("pad") ? "padding_token_id" : "bos_token_id", id.get<int64_t>());
  if (const std::vector<int64_t> stop = models::stop_tokens(plain); !stop.empty())
    set("eos_token_id", stop[0]);
  const Path tokenizer_config = plain / "tokenizer_config.json";
  const bool add_bos = std::filesystem::exists(tokenizer_config) &&
                       read_json(tokenizer_config).value("add_bos_token", Json()) == Json(true);
  file.set("tokenizer.ggml.add_bos_token", add_bos);
}

}  // namespace

void add_tokenizer(formats::GgufFile& file, const Path& text, int64_t vocab_size, const Path& plain) {
  const Path pieces = text / "tokenizer.model", json = text / "tokenizer.json";
  if (!text.empty() && std::filesystem::exists(pieces))
    add_sentence_piece(file, pieces, vocab_size);
  else if (!text.empty() && std::filesystem::exists(json))
    add_byte_level(file, plain.empty() ? Json(codecs::json_behind_controls(json)) : read_json(json), json,
                   vocab_size, plain.empty() ? modality::special::kCount : 0);
  else
    return file.set("tokenizer.ggml.model", "none");
  add_specials(file, plain);
}

}  // namespace mom::eval
