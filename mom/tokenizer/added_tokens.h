// Tokens that are found in text as they are, before it is cut into words.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mom::tokenizer {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // only where no letter, number or mark touches it
  bool lstrip = false;       // takes the spaces before it along
  bool rstrip = false;       // and behind it
  bool normalized = true;  // looked for in normalized text, in its own normal form; else in the text as it is
  bool special = false;    // decodes to nothing
};

// Finds those that it was given: from left to right, the longest at each place, as PyPI tokenizers does (its
// added_vocabulary.rs).
class AddedTokenFinder {
 public:
  void add(AddedToken token);  // `content` is what is looked for, not empty; no two alike
  // Calls one of the two for each part of the text, in order.
  void split(std::string_view text, const std::function<void(int32_t id)>& token,
             const std::function<void(std::string_view part)>& other) const;

 private:
  struct Node {
    int32_t token = -1;  // place in tokens_ of the one that ends here
    std::vector<std::pair<char, int32_t>> next;
  };
  int32_t next_of(const Node& node, char byte) const;  // -1: none
  const AddedToken* longest_match(std::string_view text) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_ = std::vector<Node>(1);  // a trie of their bytes, from its root
  std::array<bool, 256> starts_{};                  // bytes that some token begins with
};

}  // namespace mom::tokenizer
