// results.json in words: README.md of a study.
#pragma once

#include <string>

#include "mom/study/results_file.h"

namespace mom::study {

std::string page_text(const StudyResults& results);

}  // namespace mom::study
