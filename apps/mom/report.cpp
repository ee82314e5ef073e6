#include "apps/mom/verbs.h"

namespace mom::app {

void add_report_verb(CLI::App&) {}

}  // namespace mom::app
