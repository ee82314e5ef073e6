#include "mom/report/study_report.h"

#include <algorithm>
#include <cstdlib>

#include "mom/base/error.h"
#include "mom/compare/verdict.h"
#include "mom/report/media.h"
#include "mom/report/study_sweep.h"
#include "mom/study/ablation.h"
#include "mom/study/config.h"

namespace mom::report {
namespace {

using study::ArmResult;
using study::GroupResult;
using study::RunResult;
using study::StudyResults;

// Limits on samples, so that a page with many runs stays small enough to mail.
constexpr size_t kMaxImages = 8, kMaxGenerated = 6, kMaxSounds = 2, kManyModels = 8;

void keep_first(std::vector<runs::PredictedItem>& items) {
  size_t images = 0, sounds = 0;
  std::erase_if(items, [&](const runs::PredictedItem& item) {
    return is_sound(item.original) ? sounds++ >= kMaxSounds : images++ >= kMaxImages;
  });
}

void keep_first(runs::RunFolder& run) {
  run.denoised.resize(std::min(run.denoised.size(), kMaxImages));
  keep_first(run.predicted);
  if (run.generation)
    for (runs::GeneratedImages& images : run.generation->images)
      images.items.resize(std::min(images.items.size(), kMaxGenerated));
  for (runs::CodecReport& codec : run.codecs) codec.sounds.resize(std::min(codec.sounds.size(), kMaxSounds));
}

// Of many models, whose samples would fill the page, the baseline and all four projections.
std::vector<std::string> sampled_arms(const StudyResults& results, const GroupResult& group) {
  std::vector<std::string> arms = results.arms_of(group);
  if (arms.size() > kManyModels)
    std::erase_if(arms,
                  [&](const std::string& arm) { return arm != results.baseline && arm != study::kMixture; });
  return arms;
}

// A damaged or foreign folder does not affect the rest of the page.
void add_folder(StudySubject& subject, const Path& path) {
  try {
    subject.shown.runs.push_back(runs::read_run_folder(path));
    keep_first(subject.shown.runs.back());
  } catch (const Error& error) {
    subject.notes.push_back(std::string("no samples of ") + path.filename().string() + ": " + error.what());
  }
}

void add_folders(StudySubject& subject, const Path& runs) {
  size_t gone = 0;
  for (const GroupResult& group : subject.results.groups)
    for (const std::string& arm : sampled_arms(subject.results, group)) {
      const Path path = runs / subject.results.runs_of(group, arm).front()->name;
      std::filesystem::exists(path) ? add_folder(subject, path) : void(++gone);
    }
  if (gone > 0)
    subject.notes.push_back(
        "samples, use of experts and codecs: there are no run folders beside results.json");
  const auto& shown = subject.shown.runs;
  const bool samples = std::any_of(shown.begin(), shown.end(), [](const runs::RunFolder& run) {
    return !run.denoised.empty() || !run.predicted.empty();
  });
  if (!shown.empty() && !samples)
    subject.notes.push_back("samples: the run folders hold none (mom eval RUN --samples 8 writes them)");
}

}  // namespace

StudySubject read_study_subject(const Path& folder) {
  StudySubject subject;
  subject.results = study::read_results(folder);
  if (!subject.results.has_timing) subject.notes.push_back("times: there is no timing.json");
  add_folders(subject, folder / "runs");
  subject.command = {folder.string()};
  return subject;
}

std::string setting_of(const StudyResults& results, const GroupResult& group) {
  for (const std::string& arm : results.arms_of(group)) {
    const auto& recipe = results.runs_of(group, arm).front()->resolved_recipe;
    if (const auto found = recipe.find("setting"); found != recipe.end()) return found->second;
  }
  return "";
}

modality::TrainedSum trained_sum_of(const RunResult& run) {
  const auto setting = run.resolved_recipe.find("setting"),
             weight = run.resolved_recipe.find("objective.image_weight");
  if (setting == run.resolved_recipe.end() || weight == run.resolved_recipe.end()) return {};
  return modality::trained_sum(setting->second, std::strtod(weight->second.c_str(), nullptr));
}

std::string arm_label(const StudyResults& results, const GroupResult& group, const std::string& arm) {
  const auto runs = results.runs_of(group, arm);
  return runs.empty() ? arm : runs.front()->model;
}

const ArmResult* compared(const GroupResult& group, const std::string& arm) {
  const ArmResult* result = group.find(arm);
  return result && !result->seeds.empty() ? result : nullptr;
}

std::vector<const ArmResult*> verdict_arms(const GroupResult& group) {
  if (const ArmResult* joint = compared(group, study::kMixture)) return {joint};
  std::vector<const ArmResult*> arms;
  for (const ArmResult& arm : group.arms)
    if (!arm.seeds.empty() && !study::is_partial(arm.name)) arms.push_back(&arm);
  return arms;
}

std::vector<std::string> study_verdicts(const StudyResults& results) {
  std::vector<std::string> verdicts;
  for (const GroupResult& group : results.groups)
    for (const ArmResult* arm : verdict_arms(group)) {
      std::vector<std::pair<std::string, const compare::Summary*>> gains;
      for (const auto& [modality, row] : arm->verdict_rows()) gains.emplace_back(modality, &row.gain);
      verdicts.push_back(group.name + ": " + compare::verdict(arm->model, arm->baseline_model, gains));
    }
  for (const Sweep& sweep : sweeps_of(results)) verdicts.push_back(sweep_sentence(results.set_titles, sweep));
  return verdicts;
}

}  // namespace mom::report
