// Recipes and what the command line overrides in them.
#include "fuzz/targets.h"
#include "mom/config/schema.h"
#include "mom/train/recipe.h"

namespace mom::fuzz {
namespace {

void read_recipe(std::string_view bytes) {
  const MemoryFile file(bytes);
  const train::Recipe recipe = train::load_recipe(file.path(), {});
  const std::string dumped = train::dump_recipe(recipe);
  const MemoryFile again(dumped);
  expect(train::dump_recipe(train::load_recipe(again.path(), {})) == dumped,
         "a recipe that was written is what was read");
}

std::vector<std::string> recipe_seeds() {
  return {source_file("configs/transfusion.toml"), source_file("configs/chameleon.toml"),
          "train.steps = 7\n"};
}

void read_override(std::string_view bytes) {
  train::Recipe recipe;
  config::Schema schema = recipe.schema();
  config::apply_override(schema, bytes);
}

std::vector<std::string> override_seeds() {
  return {"train.steps=20", "data.mixture={a=0.5}", "model.backbone=mamba"};
}

}  // namespace

std::vector<Target> recipe_targets() {
  return {{"recipe", read_recipe, recipe_seeds}, {"override", read_override, override_seeds}};
}

}  // namespace mom::fuzz
