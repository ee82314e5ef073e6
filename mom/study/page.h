// results.json in words: README.md of a study.
#pragma once

#include <string>

#include "mom/base/json.h"

namespace mom::study {

std::string page_text(const OrderedJson& results);

}  // namespace mom::study
