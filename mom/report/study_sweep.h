// Learning rates: one model in groups that differ in nothing else.
#pragma once

#include <string>
#include <vector>

#include "mom/study/results_file.h"

namespace mom::report {

struct Sweep {
  struct Rate {
    std::string text;  // as in the recipe, shortened: "0.006"
    double rate = 0;
    std::vector<const study::RunResult*> runs;  // one per seed
  };
  std::string name;         // "transfusion, dense Mamba"
  std::vector<Rate> rates;  // rising, two or more
};

// Points into the results.
std::vector<Sweep> sweeps_of(const study::StudyResults& results);

// "transfusion, dense Mamba: lowest held-out loss at learning rate 0.003 for image, 0.006 for text."
std::string sweep_sentence(const runs::SetTitles& titles, const Sweep& sweep);

// Means over runs of a final loss; not measured where one lacks it.
study::Summary final_losses(const std::vector<const study::RunResult*>& runs, const std::string& set,
                            const std::string& modality);

}  // namespace mom::report
