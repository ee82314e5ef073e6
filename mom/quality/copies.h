// Are generated images copies of training images? N images, M training images, P numbers of a thumbnail.
//
// An image is a copy where the nearest training image is less than a third as far away as the second nearest (after
// Carlini et al. 2023, arXiv 2301.13188, section 5: a distance alone says nothing, since plain images are near many).
// Distances are those of 16 x 16 averages of pixels, not of the probe's features: in these a good new image of a trained
// caption lies next to that caption's training image without being a copy of it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace mom::quality {

inline constexpr double kCopyRatio = 1.0 / 3;
// Training images that differ by less are one image to the second nearest: root of the mean square of thumbnails'
// differences, in levels of 255. What a codec adds stays below it.
inline constexpr double kSameImage = 8;

at::Tensor thumbnails(const at::Tensor& images_N3SS);  // u8 -> u8 [N, P]

struct NearestTraining {
  at::Tensor index_N;     // i64: the nearest
  at::Tensor distance_N;  // f32: to it, in levels of 255
  at::Tensor ratio_N;     // f32: of that to the distance of the second nearest; 1 where there is no second
  int64_t copies() const;
};
NearestTraining nearest_training(const at::Tensor& thumbnails_NP, const at::Tensor& training_MP);

}  // namespace mom::quality
