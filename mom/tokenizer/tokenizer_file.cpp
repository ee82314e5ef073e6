#include "mom/tokenizer/tokenizer_file.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <unordered_map>

#include "mom/base/error.h"

namespace mom::tokenizer {
namespace {

constexpr int64_t kMaxId = int64_t{1} << 21;

// A value of the file with its place in it, for errors.
class Place {
 public:
  Place(const Json& json, std::string where) : json_(&json), where_(std::move(where)) {}

  const Json& json() const { return *json_; }
  const std::string& where() const { return where_; }
  bool is_null() const { return json_->is_null(); }
  [[noreturn]] void fail(const std::string& expected, const std::string& next = "") const {
    throw InputError(
        {where_, expected,
         is_null() ? "none" : json_->dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80),
         next});
  }

  // null where the key is absent.
  Place operator[](const std::string& key) const {
    static const Json none;
    const auto found = object().find(key);
    return {found == object().end() ? none : *found, where_ + ", \"" + key + "\""};
  }
  const Json& object() const {
    if (!json_->is_object()) fail("an object");
    return *json_;
  }
  std::vector<Place> list() const {
    if (!json_->is_array()) fail("a list");
    std::vector<Place> items;
    for (const Json& item : *json_)
      items.emplace_back(item, where_ + ", item " + std::to_string(items.size()));
    return items;
  }
  std::string text() const {
    if (!json_->is_string()) fail("a text");
    return json_->get<std::string>();
  }
  bool flag(std::optional<bool> otherwise = {}) const {
    if (is_null() && otherwise) return *otherwise;
    if (!json_->is_boolean()) fail("true or false");
    return json_->get<bool>();
  }
  int32_t id() const {
    if (!json_->is_number_integer() || json_->get<int64_t>() < 0 || json_->get<int64_t>() > kMaxId)
      fail("an id from 0 to " + std::to_string(kMaxId));
    return static_cast<int32_t>(json_->get<int64_t>());
  }
  // What is not there, or says what is so anyway.
  void require_absent(const char* why, std::initializer_list<Json> harmless = {}) const {
    if (!is_null() && std::find(harmless.begin(), harmless.end(), *json_) == harmless.end())
      fail("none: " + std::string(why) + " is not supported");
  }
  void require_keys(std::initializer_list<const char*> known) const {
    for (const auto& [key, value] : object().items())
      if (std::find(known.begin(), known.end(), key) == known.end())
        throw InputError({where_, "no option but those of tokenizers 0.23", "\"" + key + "\"", ""});
  }

 private:
  const Json* json_;
  std::string where_;
};

// A component's parts: itself, those of a Sequence, or none.
std::vector<Place> parts_of(const Place& component, const char* key) {
  if (component.is_null()) return {};
  if (component["type"].json() != "Sequence") return {component};
  component.require_keys({"type", key});
  std::vector<Place> parts;
  for (const Place& item : component[key].list())
    for (Place& part : parts_of(item, key)) parts.push_back(std::move(part));
  return parts;
}

std::string type_of(const Place& component) { return component["type"].text(); }

void read_normalizer(const Place& normalizer, TokenizerFile& file) {
  for (const Place& part : parts_of(normalizer, "normalizers")) {
    if (type_of(part) != "NFC") part["type"].fail("\"NFC\" or none: other normalizers are not supported");
    part.require_keys({"type"});
    file.nfc = true;
  }
}

void read_pre_tokenizer(const Place& pre_tokenizer, TokenizerFile& file) {
  const std::vector<Place> parts = parts_of(pre_tokenizer, "pretokenizers");
  if (parts.size() != 1) pre_tokenizer.fail("\"ByteLevel\" alone: others are not supported");
  const Place& part = parts.front();
  if (type_of(part) != "ByteLevel")
    part["type"].fail("\"ByteLevel\": other pre-tokenizers are not supported");
  part.require_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  file.add_prefix_space = part["add_prefix_space"].flag();
  file.use_regex = part["use_regex"].flag(true);
}

void read_decoder(const Place& decoder) {
  const std::vector<Place> parts = parts_of(decoder, "decoders");
  if (parts.size() != 1) decoder.fail("\"ByteLevel\" alone: others are not supported");
  if (type_of(parts.front()) != "ByteLevel")
    parts.front()["type"].fail("\"ByteLevel\": other decoders are not supported");
  parts.front().require_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
}

void read_template(const Place& processor, TokenizerFile& file) {
  processor.require_keys({"type", "single", "pair", "special_tokens"});
  bool is_behind = false;
  for (const Place& item : processor["single"].list()) {
    if (item.object().contains("Sequence")) {
      if (is_behind || item["Sequence"]["id"].json() != "A") item.fail("the text once");
      is_behind = true;
      continue;
    }
    const Place ids = processor["special_tokens"][item["SpecialToken"]["id"].text()]["ids"];
    for (const Place& id : ids.list()) (is_behind ? file.behind : file.before).push_back(id.id());
  }
  if (!is_behind) processor["single"].fail("the text among its items");
}

void read_post_processor(const Place& processor, TokenizerFile& file) {
  for (const Place& part : parts_of(processor, "processors")) {
    const std::string type = type_of(part);
    if (type == "TemplateProcessing") {
      if (!file.before.empty() || !file.behind.empty()) part.fail("one TemplateProcessing");
      read_template(part, file);
    } else if (type == "ByteLevel") {
      part.require_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    } else {
      part["type"].fail("\"ByteLevel\" or \"TemplateProcessing\": other post-processors are not supported");
    }
  }
}

std::pair<std::string, std::string> read_merge(const Place& merge) {
  if (merge.json().is_array()) {
    const std::vector<Place> sides = merge.list();
    if (sides.size() != 2) merge.fail("two tokens");
    return {sides[0].text(), sides[1].text()};
  }
  const std::string text = merge.text();
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
    merge.fail("two tokens with a space between them");
  return {text.substr(0, space), text.substr(space + 1)};
}

void read_model(const Place& model, TokenizerFile& file) {
  const Place type = model["type"];  // older files have none
  if (!type.is_null() && type.json() != "BPE") type.fail("\"BPE\": other models are not supported");
  model.require_keys({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                      "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  model["dropout"].require_absent("dropout", {0});
  model["continuing_subword_prefix"].require_absent("a prefix", {""});
  model["end_of_word_suffix"].require_absent("a suffix", {""});
  // unk_token, fuse_unk and byte_fallback are about characters without a token: Tokenizer wants one for every byte.
  file.ignore_merges = model["ignore_merges"].flag(false);
  const Place vocab = model["vocab"];
  for (const auto& [token, id] : vocab.object().items())
    file.vocabulary.emplace_back(token, Place(id, vocab.where() + ", \"" + token + "\"").id());
  // Not list(): a place for each of a million merges takes its time.
  const Place merges = model["merges"];
  if (!merges.json().is_array()) merges.fail("a list");
  for (const Json& merge : merges.json()) file.merges.push_back(read_merge(Place(merge, merges.where())));
}

// PyPI tokenizers gives an added token the id that the model has for it, else the next one behind the model's tokens;
// what the file says is a comment to it.
void read_added_tokens(const Place& tokens, TokenizerFile& file) {
  if (tokens.is_null()) return;
  std::unordered_map<std::string, int32_t> ids(file.vocabulary.begin(), file.vocabulary.end());
  auto next = static_cast<int32_t>(file.vocabulary.size());
  for (const Place& item : tokens.list()) {
    item.require_keys({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token{.id = item["id"].id(),
                     .content = item["content"].text(),
                     .single_word = item["single_word"].flag(),
                     .lstrip = item["lstrip"].flag(),
                     .rstrip = item["rstrip"].flag(),
                     .normalized = item["normalized"].flag(),
                     .special = item["special"].flag()};
    if (token.content.empty()) item["content"].fail("a text that is not empty");
    const auto [known, is_more] = ids.emplace(token.content, next);
    if (is_more) ++next;
    const int32_t id = known->second;
    if (id != token.id)
      item["id"].fail(std::to_string(id) + ", the id that tokenizers gives \"" + token.content + "\"");
    const bool is_new = std::none_of(file.added.begin(), file.added.end(),
                                     [&](const AddedToken& one) { return one.id == token.id; });
    if (!is_new) item.fail("each token once");
    file.added.push_back(std::move(token));
  }
}

}  // namespace

TokenizerFile read_tokenizer_file(const Json& json, const std::string& where) {
  const Place root(json, where);
  if (!json.is_object() || !json.contains("model")) root.fail("a tokenizer of Hugging Face, with \"model\"");
  root.require_keys({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                     "post_processor", "decoder", "model"});
  if (!root["version"].is_null() && root["version"].json() != "1.0") root["version"].fail("\"1.0\"");
  root["truncation"].require_absent("truncation");
  root["padding"].require_absent("padding");
  TokenizerFile file;
  read_model(root["model"], file);
  read_added_tokens(root["added_tokens"], file);
  read_normalizer(root["normalizer"], file);
  read_pre_tokenizer(root["pre_tokenizer"], file);
  read_post_processor(root["post_processor"], file);
  read_decoder(root["decoder"]);
  return file;
}

}  // namespace mom::tokenizer
