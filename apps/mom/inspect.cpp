#include "apps/mom/verbs.h"

namespace mom::app {

void add_inspect_verb(CLI::App&) {}

}  // namespace mom::app
