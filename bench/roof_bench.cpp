// What the machine can do: GEMM at a training shape, and memory reads. Other benches are shares of these.
#include <torch/torch.h>

#include "bench/bench.h"

namespace mom::bench {

void register_roof_benches() {
  Register("roof_gemm", "torch's own GEMM, 4096 x 256 x 1024", [] {
    const at::Tensor x = at::randn({4096, 256}), w = at::randn({256, 1024});
    at::Tensor y = at::empty({4096, 1024});
    return Bench{"roof_gemm",
                 "4096x256x1024 f32",
                 {2.0 * 4096 * 256 * 1024, 4.0 * (4096 * 1280 + 256 * 1024), 0},
                 {},
                 [=]() mutable { at::mm_out(y, x, w); }};
  });
  Register("roof_memory", "sum of 256 MiB: memory read", [] {
    const at::Tensor x = at::ones({64 << 20});
    return Bench{
        "roof_memory", "256 MiB f32", {64.0 * (1 << 20), 256.0 * (1 << 20), 0}, {}, [=] { x.sum(); }};
  });
}

}  // namespace mom::bench
