// `mom forward`: a model on given tensors, the door for parity checks. No torch here.
#pragma once

#include "mom/base/files.h"

namespace mom::eval {

// Input: tokens i64 [T], modality i64 [T], offsets i64 [S + 1], all in sequence order; in transfusion also
// patches f32 [P, patch width] and timesteps i64 [images]. modality and offsets may be absent: all text, one
// sequence. Output: logits f32 [T, V] in sequence order (rows of patches are what the head gives there too)
// and, in transfusion, noise f32 [P, patch width].
void forward_file(const Path& model, const Path& input, const Path& output);

}  // namespace mom::eval
