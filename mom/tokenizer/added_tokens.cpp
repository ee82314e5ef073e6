#include "mom/tokenizer/added_tokens.h"

#include <algorithm>

#include "mom/tokenizer/unicode.h"

namespace mom::tokenizer {
namespace {

bool has(char32_t c, uint8_t flag) { return (flags_of(c) & flag) != 0; }

bool touches_word(std::string_view before, std::string_view behind) {
  return (!before.empty() && has(last_character(before).code_point, kWord)) ||
         (!behind.empty() && has(first_character(behind).code_point, kWord));
}

size_t without_spaces_at_end(std::string_view text) {
  while (!text.empty()) {
    const auto [c, length] = last_character(text);
    if (!has(c, kSpace)) break;
    text.remove_suffix(length);
  }
  return text.size();
}

size_t spaces_at_start(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const auto [c, length] = first_character(text.substr(at));
    if (!has(c, kSpace)) break;
    at += length;
  }
  return at;
}

}  // namespace

int32_t AddedTokenFinder::next_of(const Node& node, char byte) const {
  for (const auto& [one, next] : node.next)
    if (one == byte) return next;
  return -1;
}

void AddedTokenFinder::add(AddedToken token) {
  size_t node = 0;
  for (const char byte : token.content) {
    int32_t next = next_of(nodes_[node], byte);
    if (next < 0) {
      next = static_cast<int32_t>(nodes_.size());
      nodes_[node].next.emplace_back(byte, next);
      nodes_.emplace_back();
    }
    node = static_cast<size_t>(next);
  }
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  starts_[static_cast<unsigned char>(token.content[0])] = true;
  tokens_.push_back(std::move(token));
}

const AddedToken* AddedTokenFinder::longest_match(std::string_view text) const {
  int32_t node = 0, token = -1;
  for (const char byte : text) {
    node = next_of(nodes_[static_cast<size_t>(node)], byte);
    if (node < 0) break;
    if (nodes_[static_cast<size_t>(node)].token >= 0) token = nodes_[static_cast<size_t>(node)].token;
  }
  return token < 0 ? nullptr : &tokens_[static_cast<size_t>(token)];
}

void AddedTokenFinder::split(std::string_view text, const std::function<void(int32_t id)>& token,
                             const std::function<void(std::string_view part)>& other) const {
  size_t done = 0, at = 0;
  while (!tokens_.empty() && at < text.size()) {
    const AddedToken* found =
        starts_[static_cast<unsigned char>(text[at])] ? longest_match(text.substr(at)) : nullptr;
    if (!found) {
      ++at;
      continue;
    }
    size_t start = at, end = at + found->content.size();
    at = end;
    if (found->single_word && touches_word(text.substr(0, start), text.substr(end))) continue;
    if (found->lstrip) start = std::max(without_spaces_at_end(text.substr(0, start)), done);
    if (found->rstrip) end += spaces_at_start(text.substr(end));
    if (start >= end) continue;  // spaces that the token before has taken along
    if (done < start) other(text.substr(done, start - done));
    token(found->id);
    done = end;
  }
  if (done < text.size()) other(text.substr(done));
}

}  // namespace mom::tokenizer
