// For Python: torch.ops.load_library("libmom_gpus.so") after libmom_ops.so makes torch.ops.mom.* run on GPUs.
#include "mom/cuda/gpus.h"

namespace mom::cuda {
namespace {

[[maybe_unused]] const bool kAdded = (add_gpus(), true);

}  // namespace
}  // namespace mom::cuda
