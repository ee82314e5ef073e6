#include "mom/train/held_out.h"

#include <map>

#include "mom/base/error.h"
#include "mom/base/log.h"

namespace mom::train {
namespace {

constexpr const char* kWayOut =
    "import the documents with `mom data import --validation 0.02` and encode them again";

// Documents by split.
std::map<std::string, int64_t> splits_of(const data::EncodedDataset& dataset) {
  std::map<std::string, int64_t> splits;
  for (const data::Shard& shard : dataset.shards) splits[shard.split] += shard.num_documents();
  std::erase_if(splits, [](const auto& split) { return split.second == 0; });
  return splits;
}

}  // namespace

void warn_without_validation(const data::EncodedDataset& dataset) {
  if (splits_of(dataset).contains("validation")) return;
  log_warning(
      dataset.folder.string() +
      ": no documents of split \"validation\": no held-out losses will be measured, which mom eval and mom "
      "compare need; " +
      kWayOut);
}

void require_split(const data::EncodedDataset& dataset, const std::string& split) {
  const std::map<std::string, int64_t> splits = splits_of(dataset);
  if (splits.contains(split)) return;
  std::string found;
  for (const auto& [name, count] : splits)
    found += (found.empty() ? "" : ", ") + std::to_string(count) + " of \"" + name + "\"";
  throw InputError(
      {dataset.folder.string(), "documents of split \"" + split + "\"", found.empty() ? "none at all" : found,
       "choose one of these with --split, give other data with --data, or " + std::string(kWayOut)});
}

std::vector<HeldOutSet> held_out_sets(const data::EncodedDataset& dataset, const Recipe& recipe,
                                      int64_t max_tokens, const std::string& split) {
  std::vector<HeldOutSet> sets;
  for (const data::SourceView& view : data::sources_of(dataset, split))
    sets.push_back({view.source, data::held_out_batches(dataset, view.source, split, recipe.data,
                                                        recipe.model.patches(), max_tokens)});
  return sets;
}

}  // namespace mom::train
