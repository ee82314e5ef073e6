// Kernel distance between two sets of feature vectors. N and M vectors, F features, f64.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "mom/base/json.h"

namespace mom::quality {

// The squared maximum mean discrepancy with the kernel (x.y / F + 1)^3, without bias: 0 on average where both sets are
// drawn from one distribution, so that it may be below 0 (Binkowski et al. 2018, arXiv 1801.01401, sections 3 and 4).
// Two vectors each at least.
double squared_mmd(const at::Tensor& x_NF, const at::Tensor& y_MF);

struct Kid {
  double mean = 0;            // over subsets
  double standard_error = 0;  // of the mean, from how much subsets differ
  OrderedJson to_json() const;
};

// Over 50 subsets of at most 100 vectors, and of at most half the smaller set, drawn from `seed`. Neither the mean nor its
// expectation depends on the sizes of the sets.
Kid kernel_distance(const at::Tensor& x_NF, const at::Tensor& y_MF, uint64_t seed);

}  // namespace mom::quality
