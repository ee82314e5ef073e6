#include "apps/mom/verbs.h"

namespace mom::app {

void add_data_verb(CLI::App&) {}

}  // namespace mom::app
