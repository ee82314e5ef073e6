// The targets of all source files, which the tests replay; each of libFuzzer's programs has those of one.
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

const Target& find_target(std::string_view name) { return find_target(targets(), name); }

}  // namespace mom::fuzz
