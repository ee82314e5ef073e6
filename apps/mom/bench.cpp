#include "apps/mom/verbs.h"

namespace mom::app {

void add_bench_verb(CLI::App&) {}

}  // namespace mom::app
