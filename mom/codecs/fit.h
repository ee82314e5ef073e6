// How the networks of codecs are trained: AdamW, a short warm-up, then half a cosine down to nothing.
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
};

struct StepLoss {
  at::Tensor total;  // what is minimised
  double error = 0;  // what is watched, smoothed over steps for progress; not finite: training has diverged
};

// Calls loss_of(0) ... loss_of(steps - 1), each followed by a step of the optimizer; parameters that a step
// gives no gradient stay as they are. `describe` words the smoothed error ("PSNR 25.1 dB"). DivergedError:
// names the step.
void fit(const FitOptions& options, std::vector<at::Tensor> parameters,
         const std::function<StepLoss(int64_t step)>& loss_of,
         const std::function<std::string(double error)>& describe);

double learning_rate_at(const FitOptions& options, int64_t step);

}  // namespace mom::codecs
