// The parts of the page as HTML, in its order. Each is a whole <section>, or empty where it has nothing to say.
#pragma once

#include <string>
#include <vector>

#include "mom/modality/presets.h"
#include "mom/report/report.h"

namespace mom::report {

std::string verdict_section(const Subject& subject);
std::string results_section(const Subject& subject);
std::string experts_section(const Subject& subject);
std::string images_section(const Subject& subject);
std::string predictions_section(const Subject& subject);
std::string generation_section(const Subject& subject);
std::string codecs_section(const Subject& subject);
std::string models_section(const Subject& subject);
std::string recipe_section(const Subject& subject);
std::string machine_section(const Subject& subject);
std::string reproduce_section(const Subject& subject);

// Parts that are also on the page about a study.
std::string curves_section();
std::string notes_html(const std::vector<std::string>& notes);
std::string definitions_html(const modality::TrainedSum& trained);
std::string pre(const std::string& text);
// Recipe keys by run. With more runs than keys, the rows are runs.
std::string settings_table(const std::vector<std::string>& keys, const std::vector<std::string>& names,
                           const std::vector<std::vector<std::string>>& values_of_runs);

}  // namespace mom::report
