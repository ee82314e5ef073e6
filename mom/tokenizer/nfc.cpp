#include "mom/tokenizer/nfc.h"

#include <algorithm>

#include "mom/base/utf8.h"
#include "mom/tokenizer/unicode.h"
#include "mom/tokenizer/unicode_tables.h"

namespace mom::tokenizer {
namespace {

// Hangul syllables, which the standard composes by arithmetic: a leading consonant, a vowel, and perhaps a tail.
constexpr char32_t kSyllables = 0xac00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11a7;
constexpr char32_t kNumLeads = 19, kNumVowels = 21, kNumTails = 28;
constexpr char32_t kNumSyllables = kNumLeads * kNumVowels * kNumTails;

constexpr bool in(char32_t c, char32_t first, char32_t count) { return c >= first && c < first + count; }
constexpr uint64_t key(char32_t first, char32_t second) { return uint64_t{first} << 32 | second; }

}  // namespace

const Composer& Composer::instance() {
  static const Composer composer;
  return composer;
}

Composer::Composer() {
  for (const MarkRange& range : kMarks)
    for (char32_t c = range.first; c <= range.last; ++c) ranks_[c] = range.rank;
  for (const Singleton& single : kSingletons) parts_[single.composed] = {single.other, 0};
  std::unordered_set<char32_t> not_composed;
  for (const CodeRange& range : kNotComposed)
    for (char32_t c = range.first; c <= range.last; ++c) not_composed.insert(c);
  for (const Decomposition& pair : kPairs) {
    parts_[pair.composed] = {pair.first, pair.second};
    if (not_composed.contains(pair.composed)) continue;
    composed_[key(pair.first, pair.second)] = pair.composed;
    seconds_.insert(pair.second);
  }
}

uint8_t Composer::rank_of(char32_t c) const {
  const auto found = ranks_.find(c);
  return found == ranks_.end() ? 0 : found->second;
}

bool Composer::is_attached(char32_t c) const {
  if (in(c, kVowels, kNumVowels) || in(c, kTails + 1, kNumTails - 1)) return true;
  if (ranks_.contains(c) || seconds_.contains(c)) return true;
  const auto found = parts_.find(c);
  return found != parts_.end() && is_attached(found->second.first);
}

bool Composer::is_unsure(char32_t c) const {
  const std::u32string alone(1, c);
  return is_attached(c) || (parts_.contains(c) && normalize(alone) != alone);
}

void Composer::decompose(char32_t c, std::vector<Marked>& out) const {
  if (in(c, kSyllables, kNumSyllables)) {
    const char32_t index = c - kSyllables, tail = index % kNumTails;
    out.push_back({kLeads + index / (kNumVowels * kNumTails), 0});
    out.push_back({kVowels + index / kNumTails % kNumVowels, 0});
    if (tail > 0) out.push_back({kTails + tail, 0});
    return;
  }
  const auto found = parts_.find(c);
  if (found == parts_.end()) {
    out.push_back({c, rank_of(c)});
    return;
  }
  decompose(found->second.first, out);
  if (found->second.second != 0) decompose(found->second.second, out);
}

char32_t Composer::compose(char32_t first, char32_t second) const {
  if (in(first, kLeads, kNumLeads) && in(second, kVowels, kNumVowels))
    return kSyllables + ((first - kLeads) * kNumVowels + second - kVowels) * kNumTails;
  if (in(first, kSyllables, kNumSyllables) && (first - kSyllables) % kNumTails == 0 &&
      in(second, kTails + 1, kNumTails - 1))
    return first + second - kTails;
  const auto found = composed_.find(key(first, second));
  return found == composed_.end() ? 0 : found->second;
}

std::u32string Composer::normalize(const std::u32string& text) const {
  std::vector<Marked> decomposed;
  for (const char32_t c : text) decompose(c, decomposed);
  for (auto at = decomposed.begin(); at != decomposed.end();) {  // marks between starters by rank, stably
    const auto end = std::find_if(at, decomposed.end(), [](const Marked& one) { return one.rank == 0; });
    std::stable_sort(at, end, [](const Marked& a, const Marked& b) { return a.rank < b.rank; });
    at = end == decomposed.end() ? end : end + 1;
  }
  std::u32string out;
  size_t starter = std::u32string::npos;
  uint8_t last = 0;  // rank of the character before that was not composed away
  for (const auto& [c, rank] : decomposed) {
    const bool is_free =
        starter != std::u32string::npos && (last == 0 ? starter + 1 == out.size() : last < rank);
    if (const char32_t composed = is_free ? compose(out[starter], c) : 0) {
      out[starter] = composed;
      continue;
    }
    if (rank == 0) starter = out.size();
    last = rank;
    out.push_back(c);
  }
  return out;
}

std::string_view to_nfc(std::string_view text, std::string& buffer) {
  // Pieces between characters that stand for themselves are normalized, where they hold one that is unsure.
  buffer.clear();
  const Composer& composer = Composer::instance();
  size_t copied = 0,
         start = 0;  // text[start...) begins with a character that nothing attaches to from before
  bool is_unsure = false;
  const auto end_piece = [&](size_t end) {
    if (!is_unsure) return;
    std::u32string piece;
    for (size_t at = start; at < end;) {
      const auto [c, length] = first_character(text.substr(at));
      piece.push_back(c);
      at += length;
    }
    buffer += text.substr(copied, start - copied);
    for (const char32_t c : composer.normalize(piece)) append_utf8(buffer, c);
    copied = end;
  };
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {  // the common case
      if (is_unsure) end_piece(at);
      is_unsure = false;
      start = at++;
      continue;
    }
    const auto [c, length] = first_character(text.substr(at));
    const uint8_t flags = flags_of(c);
    if (!(flags & kNfcAttached)) {
      end_piece(at);
      is_unsure = false;
      start = at;
    }
    is_unsure |= (flags & kNfcUnsure) != 0;
    at += length;
  }
  end_piece(text.size());
  if (copied == 0) return text;
  buffer += text.substr(copied);
  return buffer;
}

}  // namespace mom::tokenizer
