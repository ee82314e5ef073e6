// What can be seen and heard of runs, as data of a page: held-out images denoised, codes predicted, what was generated,
// what the codecs keep. Each is null where no run has any. InputError: a file that is not what its name says.
#pragma once

#include <vector>

#include "mom/base/json.h"
#include "mom/report/media.h"
#include "mom/runs/run_folder.h"

namespace mom::report {

using Runs = std::vector<runs::RunFolder>;

OrderedJson denoised_json(const Runs& runs, Media& media);
OrderedJson predicted_json(const Runs& runs, Media& media);
// InputError, too: a grid whose size is not that of its rows and seeds.
OrderedJson generation_json(const Runs& runs, Media& media);
OrderedJson codecs_json(const Runs& runs, Media& media);

}  // namespace mom::report
