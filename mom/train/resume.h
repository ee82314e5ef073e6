// Which recipe and which data a run may be resumed with.
//
//   cannot change the result        eval.*, checkpoint.*, data.path (data of the same content), train.recompute,
//                                   model.scan_backend, but not to or from "reference"; train.steps, decay_steps and
//                                   min_learning_rate of schedule wsd, before the decay of both
//   can be meant, with --force      other keys of [train] but start_from*: steps for a longer run, learning_rate, ...
//   makes another run               all others
#pragma once

#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/train/recipe.h"

namespace mom::train {

struct RecipeChange {
  std::string key, before, after;  // values as TOML
  bool forced = false;             // it changes the result
};

// What `now` changes of the recipe stored in the run, of which `step` steps are done. UserError names the first key that
// may not, with both values.
std::vector<RecipeChange> changes_on_resume(Recipe now, const Path& stored_recipe, int64_t step, bool force);

// What environment.json says of the data of a run. Reads all of them, for their hash.
OrderedJson describe_data(const Recipe& recipe, const data::EncodedDataset& dataset);
// InputError where `dataset`, described by `data`, is not what the run began with.
void check_same_data(const Path& run, const data::EncodedDataset& dataset, const OrderedJson& data);

// recipe.toml and environment.json of the run say from now on what is changed, the latter since which step.
void record_changes(const Path& run, Recipe now, const OrderedJson& data,
                    const std::vector<RecipeChange>& changes, int64_t step);

}  // namespace mom::train
