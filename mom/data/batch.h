// A batch: T packed tokens in a row with the offsets of their sequences, no padding. Made by the loader, read
// by the objective and the model. Rows are modality-major (nn/routing.h). I pictures, R target rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "mom/nn/routing.h"

namespace mom::data {

// How much a batch has of what losses and counters divide by.
struct BatchCounts {
  std::vector<int64_t> num_tokens,
      num_targets;                       // by modality; a target counts to the token that is predicted
  std::vector<int64_t> latent_elements;  // by number of the modality of latents
};

// The items of one modality of latents, in the order of their rows.
struct LatentItems {
  at::Tensor latents_ICHW;               // f32, clean
  std::vector<bool> image_first_I = {};  // text of the item's document follows it, and none comes before it
  int64_t before = 0, behind = 0;        // of a stretch: the whole batch's items on both sides

  int64_t count() const { return latents_ICHW.defined() ? latents_ICHW.size(0) : 0; }
};

struct Batch {
  nn::Routing routing;
  at::Tensor tokens_T;              // i64, by row; 0 on rows of a continuous modality
  at::Tensor target_rows_R;         // i64: rows with a next-token loss ...
  at::Tensor target_ids_R;          // i64: ... the token each has to predict ...
  at::Tensor target_modalities_R;   // i64: ... and that token's modality, to whose loss it counts
  std::vector<LatentItems> items;   // by number (modality::Vocabulary::continuous)
  std::vector<int64_t> num_tokens;  // by modality
  // Draws that go with this batch (timesteps, noise) come from this key alone, so that every model sees the same ones.
  uint64_t noise_key = 0;
  // Of a stretch (stretch.h): positions of its first sequence before it, and whether its last one goes on behind it.
  int64_t seen = 0;
  bool goes_on = false;

  int64_t num_images() const {  // of all modalities of latents
    int64_t count = 0;
    for (const LatentItems& of : items) count += of.count();
    return count;
  }
};

}  // namespace mom::data
