#include "mom/dist/tree_sum.h"

#include <ATen/ATen.h>

namespace mom::dist {

void tree_sum_(const std::vector<at::Tensor>& parts) {
  TORCH_CHECK(!parts.empty(), "[tree_sum_] expected at least one tensor");
  const at::NoGradGuard no_grad;
  // The sum of a pair stays in its first: after a level, 0, 2 * step, 4 * step, ... are left.
  for (size_t step = 1; step < parts.size(); step *= 2)
    for (size_t i = 0; i + step < parts.size(); i += 2 * step) {
      TORCH_CHECK(parts[i].sizes() == parts[i + step].sizes() && parts[i].dtype() == parts[i + step].dtype(),
                  "[tree_sum_] expected tensors of one shape and type");
      parts[i].add_(parts[i + step]);
    }
}

void tree_sum_rows_(const at::Tensor& rows) {
  TORCH_CHECK(rows.dim() >= 1 && rows.size(0) >= 1, "[tree_sum_rows_] expected at least one row, got ",
              rows.sizes());
  tree_sum_(rows.unbind(0));
}

}  // namespace mom::dist
