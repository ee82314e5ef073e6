#include "mom/tokenizer/tokenizer.h"

#include <algorithm>
#include <set>

#include "mom/base/error.h"
#include "mom/tokenizer/byte_alphabet.h"
#include "mom/tokenizer/unicode.h"
#include "mom/tokenizer/words.h"

namespace mom::tokenizer {
namespace {

// Bytes that never occur in UTF-8; files leave them out.
bool is_never_text(int byte) { return byte == 0xc0 || byte == 0xc1 || byte >= 0xf5; }

std::unique_ptr<BytePairs> make_byte_pairs(const TokenizerFile& file, const std::string& where) {
  StringMap<int32_t> ids(file.vocabulary.size());
  for (const auto& [token, id] : file.vocabulary) ids.emplace(token, id);
  const auto id_of = [&](const std::string& token) {
    const auto found = ids.find(token);
    if (found == ids.end())
      throw InputError({where + ", \"merges\"", "tokens of \"vocab\"", "\"" + token + "\"", ""});
    return found->second;
  };
  std::vector<BytePairs::Merge> merges;
  merges.reserve(file.merges.size());
  for (const auto& [left, right] : file.merges)
    merges.push_back({id_of(left), id_of(right), id_of(left + right)});
  std::vector<int32_t> ids_of_bytes;
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = ids.find(letter_of_byte(static_cast<unsigned char>(byte)));
    if (found == ids.end() && !is_never_text(byte))
      throw InputError({where + ", \"vocab\"", "a token for every byte of a text",
                        "none for byte " + std::to_string(byte),
                        "train it with initial_alphabet=ByteLevel.alphabet()"});
    ids_of_bytes.push_back(found == ids.end() ? -1 : found->second);
  }
  StringMap<int32_t> whole_words;
  if (file.ignore_merges)
    for (const auto& [token, id] : file.vocabulary)
      if (const auto bytes = bytes_of_letters(token)) whole_words.emplace(*bytes, id);
  return std::make_unique<BytePairs>(std::move(ids_of_bytes), merges, std::move(whole_words));
}

}  // namespace

class Tokenizer::CacheLoan {
 public:
  explicit CacheLoan(const Tokenizer& owner) : owner_(owner) {
    const std::lock_guard lock(owner_.mutex_);
    if (owner_.caches_.empty()) {
      cache_ = std::make_unique<BytePairs::Cache>();
    } else {
      cache_ = std::move(owner_.caches_.back());
      owner_.caches_.pop_back();
    }
  }
  ~CacheLoan() {
    const std::lock_guard lock(owner_.mutex_);
    owner_.caches_.push_back(std::move(cache_));
  }
  BytePairs::Cache& operator*() { return *cache_; }

 private:
  const Tokenizer& owner_;
  std::unique_ptr<BytePairs::Cache> cache_;
};

Tokenizer::Tokenizer(const Path& path) : file_(read_tokenizer_file(read_json(path), path.string())) {
  int32_t last = -1;
  for (const auto& [token, id] : file_.vocabulary) last = std::max(last, id);
  for (const AddedToken& token : file_.added) last = std::max(last, token.id);
  tokens_.resize(static_cast<size_t>(last + 1));
  for (const auto& [token, id] : file_.vocabulary) {
    Token& one = tokens_[static_cast<size_t>(id)];
    if (!one.piece.empty() || token.empty())
      throw InputError({path.string() + ", \"vocab\"", "a token for each id, not empty",
                        "\"" + one.piece + "\" and \"" + token + "\" for " + std::to_string(id), ""});
    one = {token, bytes_of_letters(token).value_or(token)};
  }
  byte_pairs_ = make_byte_pairs(file_, path.string());
  add_added_tokens(path.string());
  for (const std::vector<int32_t>* ids : {&file_.before, &file_.behind})
    for (const int32_t id : *ids)
      if (id >= size())
        throw InputError({path.string() + ", \"post_processor\"", "ids below " + std::to_string(size()),
                          std::to_string(id), ""});
}

void Tokenizer::add_added_tokens(const std::string& where) {
  std::set<std::string> specials;
  for (const AddedToken& token : file_.added)
    if (token.special) specials.insert(token.content);
  std::set<std::pair<bool, std::string>> contents;
  std::string buffer;
  for (const AddedToken& token : file_.added) {
    AddedToken sought = token;
    if (token.normalized && file_.nfc) sought.content = to_nfc(token.content, buffer);
    if (!contents.emplace(token.normalized, sought.content).second)
      throw InputError({where + ", \"added_tokens\"", "tokens that differ",
                        "\"" + token.content + "\" twice when normalized", ""});
    tokens_[static_cast<size_t>(token.id)] = {
        token.content,
        specials.contains(sought.content) ? "" : bytes_of_letters(sought.content).value_or(sought.content)};
    (token.normalized ? normalized_ : as_it_is_).add(std::move(sought));
  }
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  CacheLoan cache(*this);
  std::vector<int32_t> ids;
  std::string valid;
  as_it_is_.split(
      to_utf8(text, valid), [&](int32_t id) { ids.push_back(id); },
      [&](std::string_view part) { encode_plain(part, *cache, ids); });
  return ids;
}

void Tokenizer::encode_plain(std::string_view text, BytePairs::Cache& cache,
                             std::vector<int32_t>& ids) const {
  std::string buffer;
  normalized_.split(
      file_.nfc ? to_nfc(text, buffer) : text, [&](int32_t id) { ids.push_back(id); },
      [&](std::string_view part) { encode_words(part, cache, ids); });
}

void Tokenizer::encode_words(std::string_view text, BytePairs::Cache& cache,
                             std::vector<int32_t>& ids) const {
  std::string with_space;
  if (file_.add_prefix_space && text[0] != ' ') text = with_space.append(" ").append(text);
  while (!text.empty()) {
    const size_t length = file_.use_regex ? first_word(text) : text.size();
    byte_pairs_->append_word(text.substr(0, length), cache, ids);
    text.remove_prefix(length);
  }
}

}  // namespace mom::tokenizer
