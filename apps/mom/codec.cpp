#include "apps/mom/verbs.h"

namespace mom::app {

void add_codec_verb(CLI::App&) {}

}  // namespace mom::app
