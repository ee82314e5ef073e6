// Does a model use its captions? The loss of images behind their own caption against that behind another one.
#pragma once

#include <functional>
#include <vector>

#include "mom/base/json.h"
#include "mom/generate/network.h"
#include "mom/models/objective.h"
#include "mom/quality/pairs.h"

namespace mom::quality {

// Losses of the same images, noise and timesteps with the right and with another caption.
class LossPair {
 public:
  void add(const at::Tensor&
               losses_I2);  // f64: of each image the mean loss with the right caption, and with the other
  int64_t count() const { return std::ssize(right_); }
  // 1 - right / shuffled, of means over images: 0 where the caption is ignored, 1 where it says all there is to know.
  double use() const;
  // Of use(), over images: that of a ratio of means, to first order.
  double standard_error() const;
  OrderedJson to_json() const;  // {"use", "standard_error", "right", "shuffled", "images"}

 private:
  std::vector<double> right_, shuffled_;
};

struct NoiseLevel {
  int64_t from = 0, to = 0;  // timesteps [from, to)
  LossPair losses;           // mean squared error of the predicted noise
};

struct CaptionUse {
  LossPair overall;                // of latents: the mean of the levels; of codes: nats per code
  std::vector<NoiseLevel> levels;  // of latents only
  OrderedJson to_json() const;     // overall's, and "levels": [{"from", "to", "use", ...}]
};

// The noise in the one picture of each feed [I, C, H, W].
using NoisePredictor = std::function<at::Tensor(const std::vector<generate::Feed>& feeds_S)>;
using OnProgress = std::function<void(size_t done)>;

inline constexpr int64_t kNoiseLevels = 5;  // of equal width

// `candidates` as draw_candidates gives them for two: the image's own caption and another of its source; an image
// without another one is left out. Documents are <bos> caption <begin> image. At each level an image has one timestep
// and one noise, both drawn from `seed`, for both captions.
CaptionUse caption_use_of_latents(const NoisePredictor& predict, const models::CosineSchedule& schedule,
                                  const modality::Vocabulary& vocabulary, const std::vector<Pair>& pairs,
                                  const std::vector<std::vector<size_t>>& candidates, uint64_t seed,
                                  const OnProgress& on_progress);
CaptionUse caption_use_of_codes(models::ModelImpl& model, const std::vector<Pair>& pairs,
                                const std::vector<std::vector<size_t>>& candidates,
                                const OnProgress& on_progress);

// Whichever the model has.
CaptionUse caption_use(generate::Network network, const models::CosineSchedule& schedule,
                       const std::vector<Pair>& pairs, const std::vector<std::vector<size_t>>& candidates,
                       uint64_t seed, const OnProgress& on_progress);

}  // namespace mom::quality
