#include "mom/quality/buckets.h"

#include <algorithm>
#include <set>

namespace mom::quality {

std::vector<Bucket> buckets_of(const data::EncodedDataset& dataset, const train::Recipe& recipe,
                               const std::string& held_out_split, const std::string& modality) {
  std::vector<Pair> trained = pairs_of(dataset, recipe, "train", modality);
  const config::Weights& mixture = recipe.data.mixture;
  if (!mixture.empty())
    std::erase_if(trained, [&](const Pair& pair) { return !mixture.contains(pair.source); });
  std::set<std::string> sources;
  for (const Pair& pair : trained) sources.insert(pair.source);
  std::vector<Bucket> buckets = {{kTrained, std::move(trained)}};
  for (const auto& [name, split] :
       {std::pair(kRecombined, std::string(kRecombined)), {kUnseen, held_out_split}}) {
    std::vector<Pair> pairs = pairs_of(dataset, recipe, split, modality);
    std::erase_if(pairs, [&](const Pair& pair) { return !sources.contains(pair.source); });
    buckets.push_back({name, std::move(pairs)});
  }
  std::erase_if(buckets, [](const Bucket& bucket) { return bucket.pairs.empty(); });
  return buckets;
}

const Bucket* find(const std::vector<Bucket>& buckets, const std::string& name) {
  const auto found =
      std::find_if(buckets.begin(), buckets.end(), [&](const Bucket& one) { return one.name == name; });
  return found == buckets.end() ? nullptr : &*found;
}

}  // namespace mom::quality
