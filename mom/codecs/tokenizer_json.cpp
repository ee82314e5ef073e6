#include "mom/codecs/tokenizer_json.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "mom/base/error.h"
#include "mom/base/utf8.h"
#include "mom/modality/special_tokens.h"

namespace mom::codecs {
namespace {

using modality::special::kCount;

constexpr const char* kControls[kCount] = {"<pad>", "<unk>", "<s>",          "</s>",
                                           "<boi>", "<eoi>", "<bos_speech>", "<eos_speech>"};

// A piece for each way to make it of two others, in the order in which SentencePiece prefers them.
OrderedJson merges_of(const ExactPieces& pieces, const std::unordered_map<std::string, int32_t>& learned) {
  std::vector<std::pair<std::string, int32_t>> by_score(learned.begin(), learned.end());
  std::sort(by_score.begin(), by_score.end(), [&](const auto& a, const auto& b) {
    const float first = pieces.score(a.second), second = pieces.score(b.second);
    return first != second ? first > second : a.second < b.second;
  });
  OrderedJson merges = OrderedJson::array();
  for (const auto& [piece, id] : by_score) {
    const std::string_view text = piece;
    for (size_t at = utf8_length(text); at < text.size(); at += utf8_length(text.substr(at))) {
      const std::string left(text.substr(0, at)), right(text.substr(at));
      if (learned.contains(left) && learned.contains(right)) merges.push_back({left, right});
    }
  }
  return merges;
}

// {"token": id} in the order of ids. A map that keeps an order looks for each key that it is given: not here.
OrderedJson vocabulary_of(const std::vector<std::pair<std::string, int32_t>>& tokens) {
  OrderedJson vocabulary = OrderedJson::object();
  for (const auto& [token, id] : tokens) vocabulary.get_ref<OrderedJson::object_t&>().emplace_back(token, id);
  return vocabulary;
}

OrderedJson component(const char* type) { return {{"type", type}}; }

// Names of the control symbols that none of the tokens has.
std::vector<std::pair<std::string, int32_t>> controls_beside(const std::set<std::string>& tokens) {
  std::vector<std::pair<std::string, int32_t>> controls;
  for (int32_t id = 0; id < kCount; ++id) {
    std::string name = kControls[id];
    while (tokens.contains(name)) name += "_";
    controls.emplace_back(name, id);
  }
  return controls;
}

void move_id(Json& id) { id = id.get<int32_t>() + kCount; }

void move_template_ids(Json& processor) {
  if (processor.is_null()) return;
  if (processor.contains("processors"))
    for (Json& part : processor["processors"]) move_template_ids(part);
  if (processor.contains("special_tokens"))
    for (Json& special : processor["special_tokens"])
      for (Json& id : special["ids"]) move_id(id);
}

}  // namespace

OrderedJson json_of_pieces(const ExactPieces& pieces) {
  std::vector<std::pair<std::string, int32_t>> tokens;
  std::unordered_map<std::string, int32_t> learned;
  for (int32_t id = 0; id < pieces.size(); ++id) {
    tokens.emplace_back(pieces.is_text(id) ? pieces.bytes_of(id) : pieces.piece(id), id);
    if (pieces.is_text(id)) learned.insert(tokens.back());
  }
  OrderedJson decoders = {component("ByteFallback"), component("Fuse")};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", OrderedJson::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", true},
            {"ignore_merges", false},
            {"vocab", vocabulary_of(tokens)},
            {"merges", merges_of(pieces, learned)}}}};
}

OrderedJson json_behind_controls(const Path& file) {
  Json json = read_json(file);
  std::vector<std::pair<std::string, int32_t>> tokens;
  std::set<std::string> names;
  for (const auto& [token, id] : json["model"]["vocab"].items()) {
    tokens.emplace_back(token, id.get<int32_t>() + kCount);
    names.insert(token);
  }
  for (Json& token : json["added_tokens"]) {
    move_id(token["id"]);
    names.insert(token["content"].get<std::string>());
  }
  move_template_ids(json["post_processor"]);
  const auto controls = controls_beside(names);
  tokens.insert(tokens.end(), controls.begin(), controls.end());
  std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  OrderedJson model = OrderedJson::object();
  for (const auto& [key, value] : json["model"].items())
    if (key != "vocab" && key != "merges") model[key] = OrderedJson(value);
  model["vocab"] = vocabulary_of(tokens);
  model["merges"] = OrderedJson(json["model"]["merges"]);
  OrderedJson moved = OrderedJson::object();
  for (const char* key : {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                          "post_processor", "decoder"})
    moved[key] = OrderedJson(json[key]);
  moved["model"] = std::move(model);
  return moved;
}

}  // namespace mom::codecs
