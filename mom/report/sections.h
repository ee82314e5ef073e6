// The parts of the page as HTML, in its order. Each is a whole <section>, or empty where it has nothing to
// say.
#pragma once

#include <string>

#include "mom/report/report.h"

namespace mom::report {

std::string verdict_section(const Subject& subject);
std::string results_section(const Subject& subject);
std::string experts_section(const Subject& subject);
std::string notes_section(const Subject& subject);
std::string pictures_section(const Subject& subject);
std::string predictions_section(const Subject& subject);
std::string codecs_section(const Subject& subject);
std::string models_section(const Subject& subject);
std::string recipe_section(const Subject& subject);
std::string machine_section(const Subject& subject);
std::string reproduce_section(const Subject& subject);
std::string definitions_section(const Subject& subject);

}  // namespace mom::report
