// The parts of the study page as HTML, in its order. Each is a whole <section>, or empty where the study has
// nothing for it.
#pragma once

#include <string>

#include "mom/report/study_report.h"

namespace mom::report {

std::string study_header(const StudySubject& subject);
std::string gaps_section(const StudySubject& subject);
std::string ablation_section(const StudySubject& subject);
std::string sweep_section(const StudySubject& subject);
std::string backbones_section(const StudySubject& subject);
std::string comparisons_section(const StudySubject& subject);
std::string runs_section(const StudySubject& subject);
std::string study_recipes_section(const StudySubject& subject);
std::string study_machine_section(const StudySubject& subject);
std::string study_reproduce_section(const StudySubject& subject);
std::string study_definitions_section(const StudySubject& subject);
std::string study_notes_section(const StudySubject& subject);

}  // namespace mom::report
