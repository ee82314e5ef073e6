// The images that runs have generated.
#pragma once

#include "mom/report/report.h"

namespace mom::report {

// The same captions and seeds for all runs: a strip of seeds for each run, by caption. Empty where no run has a grid.
// InputError: an image whose size is not that of its rows and seeds.
std::string generated_grid(const Subject& subject);

// Some images beside the held-out one and the nearest training image, by bucket. Empty where there are none.
std::string generated_gallery(const Subject& subject);

}  // namespace mom::report
