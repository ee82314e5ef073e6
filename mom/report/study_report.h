// A study folder as the subject of a page. The numbers are those of results.json and timing.json; run folders, where
// they are still there, add samples, the use of experts and codecs.
#pragma once

#include <string>
#include <vector>

#include "mom/modality/presets.h"
#include "mom/report/report.h"
#include "mom/study/results_file.h"

namespace mom::report {

struct StudySubject {
  study::StudyResults results;
  Subject shown;                   // run folders of the first seed, of which samples are shown
  std::vector<std::string> notes;  // what is not on the page, and why
  std::vector<std::string> command;
};

StudySubject read_study_subject(const Path& folder);
OrderedJson study_page(const StudySubject& subject);  // docs/formats/page.md
// Its curves: a panel per group, and one per model at several learning rates.
OrderedJson study_panels(const study::StudyResults& results);

// Of a group's runs; "" while none has finished.
std::string setting_of(const study::StudyResults& results, const study::GroupResult& group);
modality::TrainedSum trained_sum_of(const study::RunResult& run);
// The arm's model in words; its name while no run has finished.
std::string arm_label(const study::StudyResults& results, const study::GroupResult& group,
                      const std::string& arm);
// What was compared with the baseline; nullptr for the baseline, and where nothing could be.
const study::ArmResult* compared(const study::GroupResult& group, const std::string& arm);
// The models a verdict is about: Mixture-of-Mamba where the group has it, else all that are no partial subset.
std::vector<const study::ArmResult*> verdict_arms(const study::GroupResult& group);

// One sentence per verdict: which model is better on what with how many seeds, and which learning rate was the best.
std::vector<std::string> study_verdicts(const study::StudyResults& results);

}  // namespace mom::report
