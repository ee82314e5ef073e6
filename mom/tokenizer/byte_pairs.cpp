#include "mom/tokenizer/byte_pairs.h"

#include <algorithm>
#include <bit>
#include <queue>

#include "mom/base/hash.h"

namespace mom::tokenizer {
namespace {

constexpr size_t kMaxCachedWords = size_t{1} << 16, kMaxCachedBytes = 64;

constexpr uint64_t pair_of(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

struct Symbol {
  int32_t id;
  int32_t previous, next;  // -1: none
  bool is_gone = false;    // merged into the one before
};

struct Candidate {
  uint32_t rank;
  int32_t place;
  int32_t merged;
  // The lowest rank comes first, and among equals the leftmost.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : place > other.place;
  }
};

}  // namespace

BytePairs::BytePairs(std::vector<int32_t> ids_of_bytes, const std::vector<Merge>& merges,
                     StringMap<int32_t> whole_words)
    : ids_of_bytes_(std::move(ids_of_bytes)),
      rules_(std::bit_ceil(2 * merges.size() + 1)),
      whole_words_(std::move(whole_words)) {
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto [left, right, merged] = merges[rank];
    const uint64_t pair = pair_of(left, right);
    size_t at = splitmix64_finalise(pair) & (rules_.size() - 1);
    while (rules_[at].pair != pair && rules_[at].pair != UINT64_MAX) at = (at + 1) & (rules_.size() - 1);
    rules_[at] = {pair, static_cast<uint32_t>(rank), merged};
  }
}

const BytePairs::Rule* BytePairs::find(int32_t left, int32_t right) const {
  const uint64_t pair = pair_of(left, right);
  size_t at = splitmix64_finalise(pair) & (rules_.size() - 1);
  for (; rules_[at].pair != UINT64_MAX; at = (at + 1) & (rules_.size() - 1))
    if (rules_[at].pair == pair) return &rules_[at];
  return nullptr;
}

std::vector<int32_t> BytePairs::merge(std::string_view word) const {
  std::vector<Symbol> symbols;
  const auto size = static_cast<int32_t>(word.size());
  for (int32_t i = 0; i < size; ++i) {
    const int32_t id = ids_of_bytes_[static_cast<unsigned char>(word[static_cast<size_t>(i)])];
    symbols.push_back({id, i - 1, i + 1 < size ? i + 1 : -1});
  }
  std::vector<Candidate> heap;
  const auto symbol = [&](int32_t place) -> Symbol& { return symbols[static_cast<size_t>(place)]; };
  const auto candidate_at = [&](int32_t place) -> const Rule* {
    return place < 0 || symbol(place).next < 0 ? nullptr
                                               : find(symbol(place).id, symbol(symbol(place).next).id);
  };
  for (int32_t i = 0; i + 1 < size; ++i)
    if (const Rule* rule = candidate_at(i)) heap.push_back({rule->rank, i, rule->merged});
  std::priority_queue<Candidate> queue(std::less<Candidate>{}, std::move(heap));
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbol(top.place);
    const Rule* rule = left.is_gone ? nullptr : candidate_at(top.place);
    if (!rule || rule->merged != top.merged) continue;  // outdated
    Symbol& right = symbol(left.next);
    left.id = top.merged;
    left.next = right.next;
    right.is_gone = true;
    if (left.next >= 0) symbol(left.next).previous = top.place;
    for (const int32_t place : {left.previous, top.place})
      if (const Rule* next = candidate_at(place)) queue.push({next->rank, place, next->merged});
  }
  std::vector<int32_t> ids;
  for (const Symbol& one : symbols)
    if (!one.is_gone) ids.push_back(one.id);
  return ids;
}

void BytePairs::append_word(std::string_view word, Cache& cache, std::vector<int32_t>& ids) const {
  if (!whole_words_.empty()) {
    if (const auto found = whole_words_.find(word); found != whole_words_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  if (word.size() > kMaxCachedBytes) {
    const std::vector<int32_t> merged = merge(word);
    ids.insert(ids.end(), merged.begin(), merged.end());
    return;
  }
  auto found = cache.find(word);
  if (found == cache.end()) {
    if (cache.size() >= kMaxCachedWords) cache.clear();
    found = cache.emplace(std::string(word), merge(word)).first;
  }
  ids.insert(ids.end(), found->second.begin(), found->second.end());
}

}  // namespace mom::tokenizer
