// Distances between sets of feature vectors. N and M vectors, F features, f64.
#pragma once

#include <ATen/core/Tensor.h>

namespace mom::quality {

// Encodings f32 [N, C, H, W], averaged over squares into the finest grid g x g with C g^2 <= max_features:
// [N, C g^2].
at::Tensor pooled_features(const at::Tensor& encodings_NCHW, int64_t max_features);

// |mean_a - mean_b|^2 + trace(Ca + Cb - 2 (Ca^1/2 Cb Ca^1/2)^1/2) with covariances over N - 1 and M - 1: the
// squared 2-Wasserstein distance of two normal distributions (Frechet 1957; for images Heusel et al. 2017,
// arXiv 1706.08500). Unit: squared unit of the features. Needs two vectors each. With few vectors it is too
// large, alike for sets of one size.
double frechet_distance(const at::Tensor& a_NF, const at::Tensor& b_MF);

struct Nearest {
  at::Tensor indices_N;    // i64, into b
  at::Tensor distances_N;  // Euclidean
};
Nearest nearest(const at::Tensor& a_NF, const at::Tensor& b_MF);

}  // namespace mom::quality
