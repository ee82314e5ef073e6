#include "apps/mom/verbs.h"

namespace mom::app {

void add_eval_verb(CLI::App&) {}

}  // namespace mom::app
