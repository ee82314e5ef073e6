// The table of subsets of decoupled projections, and whether they do more together than each alone.
#pragma once

#include <string>
#include <vector>

#include "mom/study/results_file.h"

namespace mom::study {

// Whether an arm has some projections decoupled and not all.
bool is_partial(const std::string& arm_name);

// A line of the table. The baseline has nothing decoupled, no result and gain 0 by definition.
struct Subset {
  std::string name;                      // "none", "in_proj+x_proj", "all four"
  std::vector<std::string> projections;  // decoupled ones
  const ArmResult* result = nullptr;
};

inline constexpr const char* kProjections[] = {"in_proj", "x_proj", "dt_proj", "out_proj"};

// The group's subsets with a result, from the largest gain in `modality` of the verdict's set to the least;
// not measured: last. Nothing when the study has no single subset.
std::vector<Subset> subsets_by_gain(const GroupResult& group, const std::string& modality);

// "all four together gain 2.0%, the four alone add up to less: interaction 0.4%; ..."; empty when not measured.
std::string interaction_text(const Summary& interaction, const Summary& joint_gain);

// Markdown; empty when no group has all single projections and their union.
std::string ablation_text(const StudyResults& results);

}  // namespace mom::study
