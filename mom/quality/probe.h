// Reads a caption out of a picture: ridge regression from a picture's features to its caption's words, fitted
// on real training pictures. A picture goes with the caption whose words are nearest to what is read.
// N pictures, F features, W words (tokens that at least two captions have).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <vector>

namespace mom::quality {

class CaptionProbe {
 public:
  // features_NF f64; one caption a picture, as ids. Features are brought to mean 0 and variance 1; a word's
  // target is its inverse frequency in captions that have it, 0 in others, a caption scaled to length 1. The
  // ridge is the one of a few that reads a tenth of the pictures best, kept aside while it is chosen.
  CaptionProbe(const at::Tensor& features_NF, const std::vector<std::vector<int32_t>>& captions);

  // Cosine between what is read from each picture and each caption, both without the training captions' mean:
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
