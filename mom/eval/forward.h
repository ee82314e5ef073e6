// `mom forward`: a model on given tensors, the door for parity checks. No torch here.
#pragma once

#include "mom/base/files.h"

namespace mom::eval {

// Both files are safetensors, positions in sequence order.
//   input   tokens     i64 [T]
//           modality   i64 [T]                optional; absent: all text
//           offsets    i64 [S + 1]            optional; absent: one sequence
//           patches    f32 [P, patch width]   transfusion only
//           timesteps  i64 [images]           transfusion only
//   output  logits     f32 [T, V]             on patches they are what the head gives there, too
//           noise      f32 [P, patch width]   transfusion only; called velocity where that is what is predicted
void forward_file(const Path& model, const Path& input, const Path& output);

}  // namespace mom::eval
