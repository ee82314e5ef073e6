// STUDY.toml: which runs a study is made of. One field list, as every config.
//
// `--set KEY=VALUE` with a key of the study changes the study ("seeds=[1]"); any other key with a dot is one
// of the recipes' and goes to every run, after the study's own `set` and the variant's ("train.steps=100").
#pragma once

#include <string>
#include <vector>

#include "mom/base/files.h"
#include "mom/config/fwd.h"

namespace mom::study {

// Names that belong to the models; the program passes them, so that this folder needs no model code.
struct Known {
  std::vector<std::string> backbones, projections;
};

// The two backbones that subsets of projections lead to: none of them and some of them.
inline constexpr const char* kDense = "mamba";
inline constexpr const char* kMixture = "mixture_of_mamba";
inline constexpr const char* kAllSubsets = "all_subsets";

struct StudyConfig {
  std::string title;
  std::vector<std::string> recipes;
  std::vector<std::string> backbones = {kDense, kMixture};
  std::vector<std::string> decoupled;
  std::string baseline = kDense;
  std::vector<int64_t> seeds = {1};
  std::vector<config::NamedSettings> variants, models;
  std::vector<std::string> set;
  std::vector<std::string> command;  // that asked for it: "mom", "study", the file and its overrides
  int64_t runs_at_once = 0, threads_per_run = 1, eval_tokens = 0;

  // Points into this config.
  config::Schema schema(const Known& known);
};

// Reads, applies `overrides` in order, checks what concerns several keys.
StudyConfig load_study(const Path& file, const std::vector<std::string>& overrides, const Known& known);
// study.runs_at_once, or as many as the processor has room for.
int64_t runs_at_once(const StudyConfig& study);
// The keys, for --help and docs.
std::string study_help(const Known& known);

// "table.key" of "table.key = value"; all of it where there is no '='.
std::string key_of(const std::string& assignment);

}  // namespace mom::study
