// The frames of an MP3, counted. libsndfile plays as many as a header in the first frame says (Xing, Info or VBRI), which
// in joined files counts those of the first; and where there is none it expects all frames to be of the size of the first, and
// plays a part of a file whose frames differ. Internal to mom/formats.
#pragma once

#include <optional>
#include <vector>

#include "mom/formats/magic.h"

namespace mom::formats {

struct Mp3Frames {
  // The file with a header that counts all frames; nothing where it has one already.
  std::optional<std::vector<std::byte>> corrected;
  bool of_two_kinds = false;  // frames of another rate or version follow, which libsndfile cannot play on
};

// `bytes` begin with a frame. Never reads outside of them.
Mp3Frames count_mp3_frames(Bytes bytes);

}  // namespace mom::formats
