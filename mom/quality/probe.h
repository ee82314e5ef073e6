// Finds the caption of an image: ridge regression from an image's features to its caption's words, fitted
// on real training images. An image is assigned the caption whose words are nearest to the prediction.
// N images, F features, W words (tokens that at least two captions have).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <vector>

namespace mom::quality {

class CaptionProbe {
 public:
  // features_NF f64; one caption per image, as ids. Features are scaled to mean 0 and variance 1; a word's
  // target is its inverse frequency in captions that have it, 0 in others, a caption scaled to length 1. The
  // ridge is the best of a few on a tenth of the images, held out while it is chosen.
  CaptionProbe(const at::Tensor& features_NF, const std::vector<std::vector<int32_t>>& captions);

  // Cosine between the prediction for each image and each caption, both without the training captions' mean:
  // f64 [N, captions].
  at::Tensor similarities(const at::Tensor& features_NF,
                          const std::vector<std::vector<int32_t>>& captions) const;
  double ridge() const { return ridge_; }

 private:
  at::Tensor words_of(const std::vector<std::vector<int32_t>>& captions) const;  // [captions, W]
  at::Tensor scaled(const at::Tensor& features_NF) const;

  std::map<int32_t, int64_t> columns_;
  at::Tensor weights_W_, mean_F_, scale_F_, mean_W_, coefficients_FW_;
  double ridge_ = 0;
};

}  // namespace mom::quality
