// A batch cut into stretches of its positions, one for each of the processes that compute it together (nn/relay.h): about as
// many positions each, wherever sequences begin and end. An item of latents and the position before it stay together, so
// that a stretch may be empty where a batch is small.
#pragma once

#include "mom/data/batch.h"
#include "mom/nn/scan_order.h"

namespace mom::data {

// Stretch `index` of `count`. `grids`: of the batch's items, by number of their modality. Its targets, noise and timesteps are those that its positions have in
// the whole batch; what counts are its own.
Batch stretch_of(const Batch& batch, const std::vector<nn::ItemGrid>& grids, int64_t index, int64_t count);

}  // namespace mom::data
