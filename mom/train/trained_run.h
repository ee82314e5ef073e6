// A finished or stopped run as those see it who judge its model.
#pragma once

#include "mom/train/recipe.h"

namespace mom::train {

struct TrainedRun {
  Recipe recipe;
  Path model_folder;  // of the newest checkpoint
  int64_t step = 0;   // of that checkpoint; 0 where it does not say
};

// InputError: not a run folder, or no checkpoint in it.
TrainedRun open_trained_run(const Path& run);

}  // namespace mom::train
