#include "mom/kernels/sum_of_squares.h"

namespace mom::kernels {

double sum_of_squares(const float* x, int64_t count) {
  double lanes[kSquareLanes] = {};
  for (int64_t i = 0; i < count; i += kSquareLanes)
    for (int64_t l = 0; l < kSquareLanes; ++l) {
      const double value = x[i + l];
      lanes[l] += value * value;
    }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace mom::kernels
