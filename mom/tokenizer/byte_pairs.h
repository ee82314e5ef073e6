// Byte-level BPE: a word's bytes, merged pair by pair in the order of the merges' ranks, as PyPI tokenizers does it.
// Source: its models/bpe/word.rs, on whose order among equals and treatment of outdated candidates ids depend.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mom::tokenizer {

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

class BytePairs {
 public:
  struct Merge {
    int32_t left, right, merged;
  };
  // Ids of words that were merged before; not shared by threads.
  using Cache = StringMap<std::vector<int32_t>>;

  // `ids_of_bytes`: 256, -1 where no text has the byte. `merges` by rank, the last one of a pair counts. `whole_words`:
  // words (as bytes) that are one token whatever the merges give.
  BytePairs(std::vector<int32_t> ids_of_bytes, const std::vector<Merge>& merges,
            StringMap<int32_t> whole_words);

  void append_word(std::string_view word, Cache& cache, std::vector<int32_t>& ids) const;

 private:
  struct Rule {
    uint64_t pair = UINT64_MAX;  // none
    uint32_t rank = 0;
    int32_t merged = 0;
  };
  const Rule* find(int32_t left, int32_t right) const;
  std::vector<int32_t> merge(std::string_view word) const;

  std::vector<int32_t> ids_of_bytes_;
  std::vector<Rule> rules_;  // open addressing, a power of two
  StringMap<int32_t> whole_words_;
};

}  // namespace mom::tokenizer
