// Images and captions in one space: a small convolutional image encoder and a bag of words, trained on pairs of both so
// that each is nearest to its own (symmetric InfoNCE: Radford et al. 2021, arXiv 2103.00020). It judges whether a
// generated image shows its caption, and gives the features of KID.
// N images, S pixels per side, E width of the space, F features, W words.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mom/nn/tensor_io.h"
#include "mom/quality/accuracy.h"

namespace mom::quality {

using Words = std::vector<std::string>;
// Of a caption with its keywords: lower case, each once. Split at spaces and punctuation.
Words words_of(std::string_view caption);

struct ProbeOptions {
  int64_t steps = 400;
  int64_t batch = 128;    // pairs, each among the others of its step
  int64_t channels = 32;  // of the image encoder at half its resolution; twice as many with each halving
  uint64_t seed = 1;
};

struct EncodedImages {
  at::Tensor space_NE;  // unit vectors
  // f64: means of the encoder's last channels, and means and deviations over the image of its stages' channels. The last
  // channels alone do not see a blur, which does not change what is shown.
  at::Tensor features_NF;
};

class ContrastiveProbe {
 public:
  // Trains one. `images` u8 [N, 3, S, S]; one caption each. Images are shifted by up to 15% and scaled by 0.8 to 1.1,
  // never flipped; each word is left out in 30% of the steps. Words of a single caption are no words. The same
  // arguments and number of threads: the same bits. Shows progress.
  ContrastiveProbe(const at::Tensor& images_N3SS, const std::vector<Words>& captions,
                   const ProbeOptions& options);
  // From what add_to() left. InputError beginning with `where`: something else.
  ContrastiveProbe(const nn::NamedTensors& tensors, const std::map<std::string, std::string>& metadata,
                   const std::string& where);
  void add_to(nn::NamedTensors& tensors, std::map<std::string, std::string>& metadata) const;
  ContrastiveProbe(ContrastiveProbe&&) noexcept;
  ~ContrastiveProbe();

  EncodedImages encode(const at::Tensor& images_N3SS) const;
  at::Tensor encode(const std::vector<Words>& captions) const;  // [N, E], unit vectors

 private:
  struct Net;
  at::Tensor encode_words(const std::vector<Words>& captions, double drop, uint64_t key) const;
  void fit(const at::Tensor& images_N3SS, const std::vector<Words>& captions, const ProbeOptions& options);

  std::map<std::string, int64_t> columns_;  // of words
  std::unique_ptr<Net> net_;
};

// A probe that finds fewer of the right captions of real images says nothing of generated ones.
inline constexpr double kAcceptedShare = 0.7;
inline constexpr int64_t kAcceptedAmong = 20;
// `real`: on real images that the probe was not trained on.
inline bool is_accepted(const Accuracy& real, int64_t among) {
  return among >= kAcceptedAmong && real.share() >= kAcceptedShare;
}

}  // namespace mom::quality
