// The runs of a study. A group is a recipe with a variant: its runs are compared with each other. An arm is
// one of the compared models. Every group has every arm once per seed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mom/study/config.h"

namespace mom::study {

struct Arm {
  std::string name;  // "mamba", "mixture_of_mamba", "mixture_of_mamba-in_proj+x_proj"
  std::string backbone;
  std::optional<std::vector<std::string>> decoupled;  // nullopt: as the recipe says
  std::vector<std::string> set = {};                  // of a table [[model]], which has no backbone here
};

struct Group {
  std::string name;  // "transfusion", "transfusion-small"
  std::string recipe, variant;
  std::vector<std::string> overrides;
};

struct Run {
  std::string name;  // of its folder: "transfusion-small-mamba-1"
  size_t group = 0, arm = 0;
  int64_t seed = 0;
  std::string recipe;
  std::vector<std::string> overrides;  // all of them, the grid's last

  // `command` followed by --set and each override.
  std::vector<std::string> arguments(std::vector<std::string> command) const;
};

struct Grid {
  std::vector<Group> groups;
  std::vector<Arm> arms;
  size_t baseline = 0;  // of arms
  std::vector<int64_t> seeds;
  std::vector<Run> runs;  // in the order they are run: all of the first seed first

  const Run& run(size_t group, size_t arm, int64_t seed) const;
};

// Anything named twice is run once. UserError on unknown names and on runs that would share a folder.
Grid expand(const StudyConfig& study, const Known& known);

// The subsets a word of `decoupled` stands for, projections in their own order; "all_subsets": by size.
std::vector<std::vector<std::string>> subsets_of(const std::string& word,
                                                 const std::vector<std::string>& projections);

}  // namespace mom::study
