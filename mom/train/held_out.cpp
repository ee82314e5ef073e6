#include "mom/train/held_out.h"

namespace mom::train {

std::vector<HeldOutSet> held_out_sets(const data::EncodedDataset& dataset, const Recipe& recipe,
                                      int64_t max_tokens, const std::string& split) {
  std::vector<HeldOutSet> sets;
  for (const data::SourceView& view : data::sources_of(dataset, split))
    sets.push_back({view.source, data::held_out_batches(dataset, view.source, split, recipe.data,
                                                        recipe.model.patch_size, max_tokens)});
  return sets;
}

}  // namespace mom::train
