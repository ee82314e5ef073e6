// The one order in which gradients are added: level by level, neighbours (0, 1), (2, 3), ... are added, and an odd last
// one moves up as it is. Floating-point sums depend on their order; this one does not depend on who adds what:
// of n leaves in aligned blocks of 2^j (the last one may be shorter), the sums inside the blocks and then the same
// tree over the blocks' sums are the same additions, so the same bits. That is why a process that owns an aligned block
// of microbatches adds them by itself, and the owner of a shard adds what it receives from the processes.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace mom::dist {

// Adds tensors of the same shape and type in place; the sum is in parts[0], the others hold partial sums.
void tree_sum_(const std::vector<at::Tensor>& parts);
// The same for the rows of [n, ...].
void tree_sum_rows_(const at::Tensor& rows);

}  // namespace mom::dist
