// Unicode's canonical composition (Unicode Standard Annex 15) on the reference's tables.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace mom::tokenizer {

class Composer {
 public:
  static const Composer& instance();

  // Whether NFC may join `c` with what is before it: a mark, or the second half of a composition.
  bool is_attached(char32_t c) const;
  // Whether NFC may change it, or what is around it. Text without such characters is in NFC.
  bool is_unsure(char32_t c) const;
  std::u32string normalize(const std::u32string& text) const;

 private:
  struct Marked {
    char32_t code_point;
    uint8_t rank;
  };
  Composer();
  uint8_t rank_of(char32_t c) const;
  void decompose(char32_t c, std::vector<Marked>& out) const;
  char32_t compose(char32_t first, char32_t second) const;  // 0: they do not

  std::unordered_map<char32_t, uint8_t> ranks_;
  std::unordered_map<char32_t, std::pair<char32_t, char32_t>> parts_;  // a second of 0: a singleton
  std::unordered_map<uint64_t, char32_t> composed_;
  std::unordered_set<char32_t> seconds_;
};

}  // namespace mom::tokenizer
