// The joint vocabulary: the modalities of a data set or a model in the order of their indices, and the ids
// of their tokens. Made when data is encoded, stored with the data and with every model trained on it.
//
//   text      [0, n)        pieces of the tokenizer; the specials (<bos>, <boi>, ...) are text, and so are, behind the
//                           pieces, the tokens around items of codecs from outside, which no tokenizer knows
//   image     [n, n + k)    codes of the image codec, in their order
//   speech    [n + k, ...)
//
// Latents have no ids. Which modality a token belongs to follows from this table alone.
//
// In dataset.json and config.json three keys describe it:
//   "modalities":     ["text", "image"], in order
//   "vocabulary":     {"text": [0, 4096], "image": [4096, 5120]}, the ids
//   "modality_table": {"text": {"representation": "tokens"},
//                      "image": {"representation": "codes", "begin_token": 4, "end_token": 5,
//                                "codes_per_item": 64, 0: any number}, or
//                               {"representation": "latents", "begin_token": 4, "end_token": 5,
//                                "latent_shape": [4, 16, 16], "patch_size": 2}}
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/json.h"
#include "mom/modality/modality.h"

namespace mom::modality {

// Latent pixels per side of a patch: of all modalities of latents, and of some by name.
struct PatchSizes {
  PatchSizes(int64_t of_all) : all(of_all) {}  // NOLINT: one number is what most models have
  int64_t all;
  std::map<std::string, int64_t> by_name = {};
};

class Vocabulary {
 public:
  // Behind what is there, with `num_ids` ids of its own (latents: 0).
  void add(Modality modality, int64_t num_ids);
  int64_t size() const { return modalities_.empty() ? 0 : modalities_.back().end; }  // ids in all
  bool empty() const { return modalities_.empty(); }
  const std::vector<Modality>& modalities() const { return modalities_; }  // by index
  std::vector<std::string> names() const;

  // All null when absent.
  const Modality* find(std::string_view name) const;
  const Modality* text() const;                   // the modality of tokens
  const Modality* latents() const;                // the first modality of latents
  bool has_latents(std::string_view name) const;  // a modality of latents of that name
  const Modality* opened_by(int64_t token) const;
  const Modality* closed_by(int64_t token) const;

  // All modalities of latents, in their order: what has a part of its own for each is numbered so.
  std::vector<const Modality*> continuous() const;
  int64_t latents_number(const Modality& modality) const;

  // The ids that come out of text: without the specials, and the tokens around items, before and behind them.
  struct Ids {
    int64_t begin = 0, end = 0;
    bool contains(int64_t token) const { return begin <= token && token < end; }
  };
  Ids pieces() const;

  // Index of one of modalities(); -1 for null.
  int64_t index_of(const Modality* modality) const;
  // Index of the modality whose ids hold `token`; -1 when none does.
  int64_t modality_of(int64_t token) const;

  // The same with latents cut into patches of other sizes. UserError naming model.patch_size or model.patch_sizes: not a
  // divisor of their sides, or a modality that has no latents.
  Vocabulary with_patch_size(const PatchSizes& sizes) const;
  // The same where codes_per_item or the weight of a modality's loss are others.
  Vocabulary with_codes_per_item(const Modality& modality, int64_t codes_per_item) const;
  Vocabulary with_loss_weight(const Modality& modality, double weight) const;

  OrderedJson to_json() const;     // "vocabulary"
  OrderedJson table_json() const;  // "modality_table"
  // `names` and `table`: the other two keys. InputError: ranges that do not follow each other, a modality
  // that is not described or whose description does not hold.
  static Vocabulary from_json(const Json& ranges, const Json& table, const std::vector<std::string>& names,
                              std::string_view where);
  bool operator==(const Vocabulary&) const = default;

 private:
  Vocabulary with(const Modality& modality, const Modality& changed) const;
  std::vector<Modality> modalities_;
};

// The "modality_table" of files that have none (dataset.json of version 2, config.json before it): text is
// tokens, image is latents where it has no ids and else whole images of codes, speech is codes of any number.
// `latent_shape`, `patch_size` and `codes_per_image` are what such a file says beside, null where it does
// not.
struct OlderImages {
  Json latent_shape, patch_size, codes_per_image;
};
Json older_modality_table(const Json& ranges, const std::vector<std::string>& names,
                          const OlderImages& images, std::string_view where);

}  // namespace mom::modality
