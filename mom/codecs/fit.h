// How the networks of codecs are trained: AdamW, a short warm-up, then half a cosine down to nothing. A step's batch is cut
// into pieces, which go forward and back side by side (nn/side_by_side.h), each through all layers on its own: the layers
// are small, and split over threads one by one they would make these wait for each other some hundred times per step.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mom::codecs {

struct FitOptions {
  std::string label;  // "image VAE", for progress and errors
  std::string table;  // "image_vae": where the learning rate is set
  int64_t steps = 0;
  double learning_rate = 0;  // at the peak
  // Of a batch, at most one per item. Fixed here, so that sums are made in one order whatever the machine is.
  int64_t pieces = 2;
};

// Items [begin, end) of a batch, `share` of them all.
struct Piece {
  size_t index = 0;
  int64_t begin = 0, end = 1;
  double share = 1;
  at::Tensor of(const at::Tensor& batch) const;
};

// Of a piece. The batch's loss is the mean over items, so the sum over pieces of share times what is here.
struct PieceLoss {
  at::Tensor total;  // what is minimised
  double error = 0;  // what is watched, smoothed over steps for progress; not finite: training has diverged
};

struct Step {
  int64_t num_items = 1;
  std::function<PieceLoss(const Piece&)> loss_of;  // called from several threads
  std::function<void()> finish = {};               // where set: called when all pieces were through
};

// Calls begin(0) ... begin(options.steps - 1), each followed by the pieces of that step and a step of the optimizer;
// parameters that no step gives a gradient stay as they are. `describe` words the smoothed error ("PSNR 25.1 dB").
// Any number of threads below twice the pieces gives the same bits; above, threads / pieces work on each, and their number
// can change the rounding. DivergedError: names the step.
void fit(const FitOptions& options, const std::vector<at::Tensor>& parameters,
         const std::function<Step(int64_t step)>& begin,
         const std::function<std::string(double error)>& describe);

double learning_rate_at(const FitOptions& options, int64_t step);

}  // namespace mom::codecs
