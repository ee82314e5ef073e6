// Do the patches of an image join? Neighbouring pixels on two sides of a patch's border differ no more than others where
// they do.
#pragma once

#include <vector>

#include "mom/formats/image_file.h"

namespace mom::quality {

// Over all pairs of neighbouring pixels, horizontal and vertical, of all images (RGB): the mean absolute difference of those
// with a border of patches between them over that of those inside a patch. Patches are squares of `patch_side` pixels from
// the top left corner on. About 1 where the grid does not show; real images are not exactly 1, because what they show may
// lie on the grid. 1 where nothing changes at all; at most 1000,
// where only borders are to be seen.
double seam_ratio(const std::vector<formats::Image>& images, int64_t patch_side);

}  // namespace mom::quality
