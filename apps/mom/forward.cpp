#include "apps/mom/verbs.h"

namespace mom::app {

void add_forward_verb(CLI::App&) {}

}  // namespace mom::app
