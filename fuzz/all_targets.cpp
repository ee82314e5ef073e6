#include <stdexcept>

#include "fuzz/targets.h"

namespace mom::fuzz {

std::span<const Target> targets() {
  static const std::vector<Target> all = [] {
    std::vector<Target> targets;
    for (const auto& of_file : {format_targets(), media_targets(), text_targets(), recipe_targets(),
                                import_targets(), model_targets(), request_targets()})
      targets.insert(targets.end(), of_file.begin(), of_file.end());
    return targets;
  }();
  return all;
}

const Target& find_target(std::string_view name) {
  for (const Target& target : targets())
    if (target.name == name) return target;
  throw std::out_of_range("no target '" + std::string(name) + "'");
}

}  // namespace mom::fuzz
