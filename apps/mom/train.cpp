#include "apps/mom/verbs.h"

namespace mom::app {

void add_train_verb(CLI::App&) {}

}  // namespace mom::app
