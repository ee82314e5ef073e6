#include "mom/train/trained_run.h"

#include "mom/base/error.h"
#include "mom/train/checkpoint.h"

namespace mom::train {

TrainedRun open_trained_run(const Path& run) {
  if (!std::filesystem::exists(run / "recipe.toml"))
    throw InputError(
        {run.string(), "a run folder with recipe.toml", "none", "give the folder `mom train --run` wrote"});
  TrainedRun trained{load_recipe(run / "recipe.toml", {}), find_model_folder(run), 0};
  const Path state = trained.model_folder / "state.json";
  if (std::filesystem::exists(state)) trained.step = read_json(state).value("step", int64_t{0});
  return trained;
}

}  // namespace mom::train
