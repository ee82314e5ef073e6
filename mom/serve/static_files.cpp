#include "mom/serve/static_files.h"

namespace mom::serve {

std::span<const StaticFile> static_files() { return {}; }

}  // namespace mom::serve
