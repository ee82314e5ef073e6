#include "apps/mom/verbs.h"

namespace mom::app {

void add_doctor_verb(CLI::App&) {}

}  // namespace mom::app
