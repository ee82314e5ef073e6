// The joint vocabulary: one table of token ids over all modalities, made when data is encoded, stored with the data and
// with every model trained on it.
//
//   text      [0, n)       pieces of the tokenizer; the specials (<bos>, <boi>, ...) are among them, so they are text
//   image     [n, n + k)   codes of the image codec, in their order
//   speech    [n + k, ...)
//
// A continuous modality (images as latents) has an empty range: its positions carry no token. Which modality a token
// belongs to follows from this table alone. JSON: {"text": [0, 4096], "image": [4096, 5120]}, in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/json.h"

namespace mom::codecs {

struct TokenRange {
  std::string modality;
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool contains(int64_t token) const { return begin <= token && token < end; }
  bool operator==(const TokenRange&) const = default;
};

class Vocabulary {
 public:
  // Behind what is there. num_tokens 0: a continuous modality.
  void add(const std::string& modality, int64_t num_tokens);
  int64_t size() const { return ranges_.empty() ? 0 : ranges_.back().end; }
  bool empty() const { return ranges_.empty(); }
  const std::vector<TokenRange>& ranges() const { return ranges_; }  // one per modality, by its index
  const TokenRange* find(std::string_view modality) const;           // null when absent
  // Index of the modality whose range holds `token`; -1 when none does.
  int64_t modality_of(int64_t token) const;
  std::vector<std::string> modalities() const;
  bool operator==(const Vocabulary&) const = default;

  OrderedJson to_json() const;
  // InputError: not an object of [begin, end], ranges that do not follow each other. `modalities` gives the
  // order, which a JSON object does not keep.
  static Vocabulary from_json(const Json& json, const std::vector<std::string>& modalities,
                              std::string_view where);

 private:
  std::vector<TokenRange> ranges_;
};

// The specials around a segment of a modality in a document; none around text. A new modality is one line in
// vocabulary.cpp.
struct Brackets {
  int32_t open, close;
};
std::optional<Brackets> brackets_of(std::string_view modality);

}  // namespace mom::codecs
