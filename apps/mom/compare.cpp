#include "apps/mom/verbs.h"

namespace mom::app {

void add_compare_verb(CLI::App&) {}

}  // namespace mom::app
